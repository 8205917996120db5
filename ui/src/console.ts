// The console's islands: small custom elements that make server-rendered pages
// live. Every page works without them; what each reads from its markup is
// described in ui/README.md.

import { Confirm } from "./console/confirm";
import { Feed } from "./console/feed";
import { Inbox } from "./console/inbox";
import { Passkey } from "./console/passkey";
import { Table } from "./console/table";
import { Thread } from "./console/thread";

customElements.define("wr-confirm", Confirm);
customElements.define("wr-feed", Feed);
customElements.define("wr-inbox", Inbox);
customElements.define("wr-passkey", Passkey);
customElements.define("wr-table", Table);
customElements.define("wr-thread", Thread);
