/** What comes by WebSocket, as docs/events.md has it: what the page makes use of. */

import type { Bytes, ErrorBody, StatusBody } from "./api.d.ts";

export interface Rates {
  total: Bytes;
  devices: Record<string, Bytes>;
}

export interface SecurityAlert {
  reason: string;
  message?: string;
}

type Payloads = {
  status_change: StatusBody;
  unavailable: ErrorBody;
  traffic: Rates;
  security_alert: SecurityAlert;
  server_update: { provider: string };
  provider_account: { provider: string };
  resume: { complete: boolean; events: number };
  heartbeat: null;
};

export type Message = {
  [T in keyof Payloads]: { type: T; payload: Payloads[T]; seq: number | null; time: number };
}[keyof Payloads];

/** The events that no other handler has: `type` tells what the payload is. */
export type Told = Exclude<Message, { type: "status_change" | "unavailable" | "resume" | "heartbeat" }>;
