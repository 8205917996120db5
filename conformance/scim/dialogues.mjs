// What Entra ID and Okta say when they provision, in the shapes that each of them sends: every step is a
// request and what must come of it. Written after their published documentation and the reports of those
// whose servers stumbled; no directory of theirs was asked.

import { expect } from "../browser/lib/checks.mjs";

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

const patch = (...Operations) => ({ schemas: [PATCH], Operations });
const filter = (text, more = "") => `?${more}filter=${encodeURIComponent(text)}`;
const found = (n) => ({ body }) => expect(body.totalResults === n, `${body.totalResults} found, not ${n}`);
const is = (read, wanted) => ({ body }) => {
  const got = JSON.stringify(read(body));
  expect(got === JSON.stringify(wanted), `${got}, not ${JSON.stringify(wanted)}`);
};
const members = ({ members = [] }) => members.map(({ value }) => value).sort();

/** Microsoft Entra ID. */
export function entra(known) {
  const alice = {
    schemas: [USER, ENTERPRISE], externalId: "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", userName: "alice@corp.example",
    active: true, displayName: "Alice Liddell", meta: { resourceType: "User" }, roles: [], addresses: [],
    emails: [{ primary: true, type: "work", value: "alice@corp.example" }], phoneNumbers: [{ type: "work", value: "1" }],
    name: { formatted: "Alice Liddell", familyName: "Liddell", givenName: "Alice" },
    [ENTERPRISE]: { department: "Cards", employeeNumber: 4711 },
  };
  const user = () => `/Users/${known.alice}`;
  const group = () => `/Groups/${known.group}`;
  return [
    ["tests the connection with a name that nobody has", "GET", () => `/Users${filter('userName eq "6b1d1b5a-none"')}`, null, 200, found(0)],
    ["looks for a person by its own id", "GET", () => `/Users${filter(`externalId eq "${alice.externalId}"`)}`, null, 200, found(0)],
    ["makes a person, with attributes that are not kept", "POST", () => "/Users", alice, 201, ({ body, headers }) => {
      known.alice = body.id;
      expect(headers.location === body.meta.location && headers.etag, "no location or version");
      expect(body[ENTERPRISE].department === "Cards" && body.phoneNumbers === undefined, JSON.stringify(body));
    }],
    ["makes the same person again and is told of it", "POST", () => "/Users", alice, 409, is((b) => b.scimType, "uniqueness")],
    ["finds them by user name, whatever the case", "GET", () => `/Users${filter('userName eq "ALICE@corp.example"')}`, null, 200, found(1)],
    ["replaces a part of an address that it names by a filter", "PATCH", user, patch(
      { op: "Replace", path: 'emails[type eq "work"].value', value: "a.liddell@corp.example" },
      { op: "Replace", path: "name.familyName", value: "O'Liddell; --" },
    ), 200, is((b) => [b.emails[0].value, b.name.familyName], ["a.liddell@corp.example", "O'Liddell; --"])],
    ["adds without a path, with dotted names and URNs in the value", "PATCH", user, patch(
      { op: "Add", value: { "name.givenName": "Alicia", [`${ENTERPRISE}:department`]: "Loans", 'addresses[type eq "work"].locality': "Oslo" } },
    ), 200, is((b) => [b.name.givenName, b[ENTERPRISE].department], ["Alicia", "Loans"])],
    ["names the manager by URN and a bare id", "PATCH", user, () => patch(
      { op: "Add", path: `${ENTERPRISE}:manager`, value: known.alice },
    ), 200, ({ body }) => expect(body[ENTERPRISE].manager.value === known.alice, "no manager")],
    ["asks for groups without their members", "GET", () => `/Groups${filter('displayName eq "Card Agents"', "excludedAttributes=members&")}`, null, 200, found(0)],
    ["makes a group", "POST", () => "/Groups", { schemas: [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"], externalId: "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", displayName: "Card Agents", members: [] }, 201, ({ body }) => (known.group = body.id)],
    ["adds members with a capital", "PATCH", group, () => patch({ op: "Add", path: "members", value: [{ value: known.alice }] }), 200, is(members, [])],
    ["asks whether somebody is in a group", "GET", () => `/Groups${filter(`id eq "${known.group}" and members eq "${known.alice}"`, "excludedAttributes=members&")}`, null, 200, found(1)],
    ["removes members that it names in the value", "PATCH", group, () => patch({ op: "Remove", path: "members", value: [{ value: known.alice }] }), 200, is(members, [])],
    ["renames a group", "PATCH", group, patch({ op: "Replace", path: "displayName", value: "Agents of Cards" }), 200, is((b) => b.displayName, "Agents of Cards")],
    ["puts an unknown person into a group and is not stopped by it", "PATCH", group, patch({ op: "Add", path: "members", value: [{ value: "f648f8d5-ea4e-4cd1-b4d7-3eb8bd6f4a1c" }] }), 200, is(members, [])],
    ["takes a person out, with truth as a text", "PATCH", user, patch({ op: "Replace", path: "active", value: "False" }), 200, is((b) => b.active, false)],
    ["brings them back", "PATCH", user, patch({ op: "Replace", path: "active", value: "True" }), 200, is((b) => b.active, true)],
    ["deletes the group", "DELETE", group, null, 204],
    ["deletes the person a month later", "DELETE", user, null, 204],
    ["asks for whom it deleted", "GET", user, null, 404, is((b) => [b.status, b.schemas], ["404", ["urn:ietf:params:scim:api:messages:2.0:Error"]])],
  ].map((step) => fixed(step, known));
}

/** Okta. */
export function okta(known) {
  const bob = {
    schemas: [USER], userName: "bob@corp.example", name: { givenName: "Bob", familyName: "D'Arc" },
    emails: [{ primary: true, value: "bob@corp.example", type: "work" }], displayName: "Bob <bob@corp.example>",
    locale: "en-US", externalId: "00ujl29u0le5T6Aj10h7", groups: [], password: "1mz050nq", active: true,
  };
  const user = () => `/Users/${known.bob}`;
  const group = () => `/Groups/${known.group}`;
  return [
    ["reads what the service can do", "GET", () => "/ServiceProviderConfig", null, 200, is((b) => [b.patch.supported, b.filter.supported], [true, true])],
    ["reads two people to try the connection", "GET", () => "/Users?startIndex=1&count=2", null, 200, ({ body }) => expect(body.itemsPerPage <= 2, "too many")],
    ["looks for a person by user name", "GET", () => `/Users${filter('userName eq "bob@corp.example"', "startIndex=1&count=100&")}`, null, 200, found(0)],
    ["makes a person, with a password that is not kept", "POST", () => "/Users", bob, 201, ({ body, text }) => {
      known.bob = body.id;
      expect(!text.includes("1mz050nq"), "the password is shown");
    }],
    ["reads the person", "GET", user, null, 200, is((b) => b.displayName, "Bob <bob@corp.example>")],
    ["replaces the person as a whole", "PUT", user, () => ({ ...bob, id: known.bob, title: "Agent", meta: { resourceType: "User" } }), 200, is((b) => [b.id === known.bob, b.title], [true, "Agent"])],
    ["replaces it by less", "PUT", user, () => ({ ...bob, id: known.bob }), 200, is((b) => b.title ?? null, null)],
    ["deactivates without a path", "PATCH", user, patch({ op: "replace", value: { active: false } }), 200, is((b) => b.active, false)],
    ["activates by replacing it all", "PUT", user, () => ({ ...bob, id: known.bob, active: true }), 200, is((b) => b.active, true)],
    ["reads all groups", "GET", () => "/Groups?startIndex=1&count=100", null, 200, found(0)],
    ["makes a group with a member", "POST", () => "/Groups", () => ({ schemas: [GROUP], displayName: "Loan Agents", members: [{ value: known.bob, display: "bob@corp.example" }] }), 201, ({ body }) => {
      known.group = body.id;
      expect(members(body)[0] === known.bob, "no member");
    }],
    ["renames it without a path, with its id in the value", "PATCH", group, () => patch({ op: "replace", value: { id: known.group, displayName: "Lenders" } }), 200, is((b) => [b.displayName, members(b).length], ["Lenders", 1])],
    ["removes a member by a filter and adds one in the same request", "PATCH", group, () => patch({ op: "remove", path: `members[value eq "${known.bob}"]` }, { op: "add", path: "members", value: [{ value: known.bob, display: "bob" }] }), 200, ({ body }) => expect(members(body).length === 1, "not there")],
    ["sees the group at the person", "GET", user, null, 200, is((b) => b.groups[0].display, "Lenders")],
    ["replaces the group's members by none", "PUT", group, { schemas: [GROUP], displayName: "Lenders", members: [] }, 200, is(members, [])],
    ["counts people without reading one", "GET", () => "/Users?count=0", null, 200, ({ body }) => expect(body.totalResults >= 1 && body.Resources.length === 0, JSON.stringify(body))],
    ["asks for what the service does not do", "POST", () => "/Bulk", { schemas: [], Operations: [] }, 501],
    ["deletes the group", "DELETE", group, null, 204],
    ["deletes the person", "DELETE", user, null, 204],
  ].map((step) => fixed(step, known));
}

/** A step that knows ids first when it is reached; the first one that adds a member expects it. */
function fixed([name, method, path, body, status, check], known) {
  if (name === "adds members with a capital") check = ({ body }) => expect(members(body)[0] === known.alice, "not added");
  return { name, method, path, body: typeof body === "function" ? body : () => body, status, check };
}
