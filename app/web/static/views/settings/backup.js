/** Backup and restore: one encrypted file. */

import { html } from "../../ui.js";
import { MakeBackup } from "./make_backup.js";
import { Restore } from "./restore.js";

export const BackupSection = () => html`<${MakeBackup} /><${Restore} />`;
