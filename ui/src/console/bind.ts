// Fills a clone of a server-rendered `<template>` from an event's JSON object.
//
//   data-slot="name"       the field as text
//   data-href="name"       the field as the link's address, if it is a path of this origin
//   data-mark="a b"        the fields as data-a and data-b, for the stylesheet
//   <time data-slot="at">  the field is an RFC 3339 time, shown as local time
//
// A part whose field is absent or null is hidden.

import { safeHref } from "../chat/links";

export type Fields = Record<string, unknown>;

/** A filled clone of the template's first element; null when the template is empty. */
export function clone(template: HTMLTemplateElement, fields: Fields): HTMLElement | null {
  const element = template.content.firstElementChild?.cloneNode(true);
  if (!(element instanceof HTMLElement)) return null;
  for (const part of [element, ...element.querySelectorAll<HTMLElement>("[data-slot], [data-href], [data-mark]")]) {
    fill(part, fields);
  }
  return element;
}

function fill(part: HTMLElement, fields: Fields): void {
  const { slot, href, mark } = part.dataset;
  if (slot !== undefined) {
    const text = word(fields[slot]);
    part.hidden = text === null;
    if (part instanceof HTMLTimeElement && text !== null) {
      part.dateTime = text;
      part.textContent = shownTime(text);
    } else {
      part.textContent = text;
    }
  }
  if (href !== undefined && part instanceof HTMLAnchorElement) {
    const address = safeHref(word(fields[href]) ?? "", location.origin);
    if (address !== null && new URL(address).origin === location.origin) part.href = address;
    else part.removeAttribute("href");
  }
  for (const name of mark?.split(" ") ?? []) {
    const value = word(fields[name]);
    if (value !== null) part.dataset[name] = value;
  }
}

export function word(value: unknown): string | null {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : null;
}

/** A time as the pages that the server writes show it. */
export function shownTime(rfc3339: string): string {
  const at = new Date(rfc3339);
  return Number.isNaN(at.getTime()) ? rfc3339 : `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
