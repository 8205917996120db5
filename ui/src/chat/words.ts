// Every word the widget says, per language.

export interface Words {
  readonly dir: "ltr" | "rtl";
  readonly title: string;
  readonly open: string;
  readonly close: string;
  readonly greeting: string;
  readonly log: string;
  readonly write: string;
  readonly send: string;
  readonly you: string;
  readonly bot: string;
  readonly agent: string;
  readonly typing: string;
  readonly sources: string;
  readonly person: string;
  /** Sent as a plain message when the person asks for somebody human. */
  readonly personText: string;
  readonly handoff: string;
  readonly offline: string;
  readonly retrying: string;
  readonly busy: string;
  readonly checking: string;
  readonly now: string;
  readonly sending: string;
  readonly waiting: string;
  readonly failed: string;
  readonly again: string;
  readonly edit: string;
  readonly broken: string;
  readonly closed: string;
  readonly gone: string;
  readonly anew: string;
  readonly signIn: string;
  readonly newer: string;
  readonly left: string;
  readonly newTab: string;
}

const en: Words = {
  dir: "ltr",
  title: "Front desk",
  open: "Open chat",
  close: "Close chat",
  greeting: "Good day. How can I help?",
  log: "Conversation",
  write: "Write a message",
  send: "Send",
  you: "You",
  bot: "Assistant",
  agent: "Colleague",
  typing: "The assistant is writing",
  sources: "Sources",
  person: "Talk to a person",
  personText: "speak to a person",
  handoff: "A person has been asked to join. You can keep writing.",
  offline: "You are offline. Messages are kept and sent when you are back.",
  retrying: "Connection lost. Trying again.",
  busy: "Busy right now. Trying again.",
  checking: "Checking, one moment.",
  now: "Try now",
  sending: "Sending",
  waiting: "Not sent yet. Trying again.",
  failed: "Not sent.",
  again: "Try again",
  edit: "Edit",
  broken: "Something went wrong on our side. Please try again in a moment.",
  closed: "This conversation is closed.",
  gone: "This conversation has ended. Unsent messages are kept.",
  anew: "Start a new one",
  signIn: "Sign in to chat",
  newer: "New messages",
  left: "characters left",
  newTab: "opens in a new tab",
};

const de: Words = {
  dir: "ltr",
  title: "Empfang",
  open: "Chat öffnen",
  close: "Chat schließen",
  greeting: "Guten Tag. Wie kann ich helfen?",
  log: "Unterhaltung",
  write: "Nachricht schreiben",
  send: "Senden",
  you: "Sie",
  bot: "Assistent",
  agent: "Kollegin oder Kollege",
  typing: "Der Assistent schreibt",
  sources: "Quellen",
  person: "Mit einem Menschen sprechen",
  personText: "mit einem Menschen sprechen",
  handoff: "Ein Mensch wurde dazugebeten. Sie können weiterschreiben.",
  offline: "Sie sind offline. Nachrichten bleiben hier und werden später gesendet.",
  retrying: "Verbindung unterbrochen. Neuer Versuch.",
  busy: "Gerade viel los. Neuer Versuch.",
  checking: "Einen Moment.",
  now: "Jetzt versuchen",
  sending: "Wird gesendet",
  waiting: "Noch nicht gesendet. Neuer Versuch.",
  failed: "Nicht gesendet.",
  again: "Noch einmal",
  edit: "Bearbeiten",
  broken: "Bei uns ist etwas schiefgegangen. Bitte versuchen Sie es gleich noch einmal.",
  closed: "Diese Unterhaltung ist geschlossen.",
  gone: "Diese Unterhaltung ist beendet. Ungesendete Nachrichten bleiben hier.",
  anew: "Neue beginnen",
  signIn: "Zum Chatten anmelden",
  newer: "Neue Nachrichten",
  left: "Zeichen übrig",
  newTab: "öffnet einen neuen Tab",
};

const fr: Words = {
  dir: "ltr",
  title: "Accueil",
  open: "Ouvrir la discussion",
  close: "Fermer la discussion",
  greeting: "Bonjour. Comment puis-je vous aider ?",
  log: "Conversation",
  write: "Écrire un message",
  send: "Envoyer",
  you: "Vous",
  bot: "Assistant",
  agent: "Collègue",
  typing: "L’assistant écrit",
  sources: "Sources",
  person: "Parler à une personne",
  personText: "parler à une personne",
  handoff: "Une personne a été invitée. Vous pouvez continuer à écrire.",
  offline: "Vous êtes hors ligne. Les messages sont gardés et partiront à votre retour.",
  retrying: "Connexion perdue. Nouvel essai.",
  busy: "Beaucoup de demandes. Nouvel essai.",
  checking: "Un instant.",
  now: "Essayer maintenant",
  sending: "Envoi",
  waiting: "Pas encore envoyé. Nouvel essai.",
  failed: "Non envoyé.",
  again: "Réessayer",
  edit: "Modifier",
  broken: "Un problème est survenu de notre côté. Veuillez réessayer dans un instant.",
  closed: "Cette conversation est close.",
  gone: "Cette conversation est terminée. Les messages non envoyés sont gardés.",
  anew: "En commencer une autre",
  signIn: "Se connecter pour discuter",
  newer: "Nouveaux messages",
  left: "caractères restants",
  newTab: "s’ouvre dans un nouvel onglet",
};

const es: Words = {
  dir: "ltr",
  title: "Recepción",
  open: "Abrir el chat",
  close: "Cerrar el chat",
  greeting: "Buenos días. ¿En qué puedo ayudar?",
  log: "Conversación",
  write: "Escriba un mensaje",
  send: "Enviar",
  you: "Usted",
  bot: "Asistente",
  agent: "Colega",
  typing: "El asistente está escribiendo",
  sources: "Fuentes",
  person: "Hablar con una persona",
  personText: "hablar con una persona",
  handoff: "Se ha pedido a una persona que se una. Puede seguir escribiendo.",
  offline: "Está sin conexión. Los mensajes se guardan y se enviarán a su regreso.",
  retrying: "Conexión perdida. Nuevo intento.",
  busy: "Mucha demanda. Nuevo intento.",
  checking: "Un momento.",
  now: "Intentar ahora",
  sending: "Enviando",
  waiting: "Aún sin enviar. Nuevo intento.",
  failed: "No enviado.",
  again: "Reintentar",
  edit: "Editar",
  broken: "Algo ha fallado por nuestra parte. Inténtelo de nuevo en un momento.",
  closed: "Esta conversación está cerrada.",
  gone: "Esta conversación ha terminado. Los mensajes sin enviar se guardan.",
  anew: "Empezar otra",
  signIn: "Iniciar sesión para chatear",
  newer: "Mensajes nuevos",
  left: "caracteres restantes",
  newTab: "se abre en otra pestaña",
};

const ar: Words = {
  dir: "rtl",
  title: "الاستقبال",
  open: "فتح المحادثة",
  close: "إغلاق المحادثة",
  greeting: "مرحباً. كيف يمكنني المساعدة؟",
  log: "المحادثة",
  write: "اكتب رسالة",
  send: "إرسال",
  you: "أنت",
  bot: "المساعد",
  agent: "موظف",
  typing: "المساعد يكتب",
  sources: "المصادر",
  person: "التحدث إلى شخص",
  personText: "أريد التحدث إلى شخص",
  handoff: "طُلب من أحد الموظفين الانضمام. يمكنك متابعة الكتابة.",
  offline: "أنت غير متصل. ستُحفظ الرسائل وتُرسل عند عودة الاتصال.",
  retrying: "انقطع الاتصال. جارٍ إعادة المحاولة.",
  busy: "ازدحام الآن. جارٍ إعادة المحاولة.",
  checking: "لحظة.",
  now: "المحاولة الآن",
  sending: "جارٍ الإرسال",
  waiting: "لم تُرسل بعد. جارٍ إعادة المحاولة.",
  failed: "لم تُرسل.",
  again: "إعادة المحاولة",
  edit: "تعديل",
  broken: "حدث خطأ من جانبنا. يرجى المحاولة بعد قليل.",
  closed: "هذه المحادثة مغلقة.",
  gone: "انتهت هذه المحادثة. الرسائل غير المرسلة محفوظة.",
  anew: "بدء محادثة جديدة",
  signIn: "تسجيل الدخول للمحادثة",
  newer: "رسائل جديدة",
  left: "حرف متبقٍ",
  newTab: "يُفتح في علامة تبويب جديدة",
};

const LANGUAGES: Readonly<Record<string, Words>> = { en, de, fr, es, ar };

/** The words for a BCP 47 tag such as `de-CH`; English where the language is not spoken here. */
export function wordsFor(locale: string | null | undefined): Words {
  const language = (locale ?? "").toLowerCase().split(/[-_]/, 1)[0] ?? "";
  return Object.hasOwn(LANGUAGES, language) ? (LANGUAGES[language] ?? en) : en;
}
