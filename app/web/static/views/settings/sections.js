/** The sections of the settings, in their order; a new one is one line here and its view. */

import { AddingSection } from "../adding/adding.js";
import { AboutSection } from "./about.js";
import { AccountsSection } from "./accounts.js";
import { BackupSection } from "./backup.js";
import { ConnectionSection } from "./connection.js";
import { DevicesSection } from "./devices.js";
import { DisplaySection } from "./display.js";
import { HistorySection } from "./history.js";
import { KeysSection } from "./keys.js";
import { LogsSection } from "./logs.js";
import { NetworkSection } from "./network.js";
import { PasswordSection } from "./password.js";
import { SessionsSection } from "./sessions.js";
import { TrafficSection } from "./traffic.js";

/** @import { Key } from "../../messages/messages.js" */

/** @typedef {{ id: string; icon: string; title: Key; what: Key; view: () => unknown }} Section */
/** @typedef {{ href: string; icon: string; title: Key; what: Key }} Elsewhere A view with an address of its own. */

/** @type {{ title: Key; sections: (Section | Elsewhere)[] }[]} */
export const GROUPS = [
  {
    title: "settings.group_ways",
    sections: [
      {
        id: "accounts",
        icon: "id-card",
        title: "settings.accounts",
        what: "settings.accounts_what",
        view: AccountsSection,
      },
      {
        id: "adding",
        icon: "file-plus",
        title: "settings.adding",
        what: "settings.adding_what",
        view: AddingSection,
      },
      {
        id: "connection",
        icon: "repeat",
        title: "settings.connection",
        what: "settings.connection_what",
        view: ConnectionSection,
      },
    ],
  },
  {
    title: "settings.group_access",
    sections: [
      {
        id: "password",
        icon: "lock",
        title: "settings.password",
        what: "settings.password_what",
        view: PasswordSection,
      },
      {
        id: "sessions",
        icon: "log-in",
        title: "settings.sessions",
        what: "settings.sessions_what",
        view: SessionsSection,
      },
      { id: "keys", icon: "key-round", title: "settings.keys", what: "settings.keys_what", view: KeysSection },
    ],
  },
  {
    title: "settings.group_home",
    sections: [
      {
        id: "devices",
        icon: "monitor-smartphone",
        title: "settings.devices",
        what: "settings.devices_what",
        view: DevicesSection,
      },
      { href: "/devices/groups", icon: "users", title: "settings.groups", what: "settings.groups_what" },
      {
        id: "network",
        icon: "network",
        title: "settings.network",
        what: "settings.network_what",
        view: NetworkSection,
      },
    ],
  },
  {
    title: "settings.group_records",
    sections: [
      {
        id: "traffic",
        icon: "chart-line",
        title: "settings.traffic",
        what: "settings.traffic_what",
        view: TrafficSection,
      },
      {
        id: "history",
        icon: "history",
        title: "settings.history",
        what: "settings.history_what",
        view: HistorySection,
      },
      { id: "logs", icon: "scroll-text", title: "settings.logs", what: "settings.logs_what", view: LogsSection },
    ],
  },
  {
    title: "settings.group_gateway",
    sections: [
      { id: "backup", icon: "archive", title: "settings.backup", what: "settings.backup_what", view: BackupSection },
      {
        id: "display",
        icon: "palette",
        title: "settings.display",
        what: "settings.display_what",
        view: DisplaySection,
      },
      { href: "/welcome", icon: "list-checks", title: "settings.welcome", what: "settings.welcome_what" },
      { id: "about", icon: "info", title: "settings.about", what: "settings.about_what", view: AboutSection },
    ],
  },
];
