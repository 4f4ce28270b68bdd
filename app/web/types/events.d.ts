/** The messages of the event stream, generated from the gateway's events by `make types`. */

import type { Bytes, DeviceBody, ErrorBody, StatusBody } from "./api.d.ts";

/** The account at a provider has changed. */
export interface AccountChanged {
  provider: string;
  problem?: string | null;
  days_left?: number | null;
  rotated?: boolean;
}

export interface DeviceChange {
  mac: string;
  reason: "address" | "admitted" | "appeared" | "forgotten" | "group" | "lease" | "lease_ended" | "offline" | "online" | "policy" | "renamed" | "self_service";
  device: DeviceBody | null;
}

/** An exception has ended: its time is over, someone ended it, or another one took its place. */
export interface ExceptionEnded {
  id: number;
  device: string | null;
  group: string | null;
  policy: string;
  cause: "ended" | "replaced" | "time";
}

/** An exception ends in a minute. */
export interface ExceptionEnding {
  id: number;
  device: string | null;
  group: string | null;
  policy: string;
  until: number;
}

/** A device or a group has another policy for a while; also where its end was moved. */
export interface ExceptionStarted {
  id: number;
  device: string | null;
  group: string | null;
  policy: string;
  until: number;
  by: string;
  reason: string | null;
}

/** An exit was made, renamed, changed or removed. */
export interface ExitChanged {
  exit: string;
  change: "changed" | "made" | "removed" | "renamed";
  before?: string;
}

/** The gateway contacts a provider. */
export interface ProviderContact {
  way: "clear" | "tunnel";
  addresses: Array<string>;
  port: number;
}

/** The first message to a client that named the last event it has seen. Where `complete`, the `events` missed ones follow; otherwise they are no longer kept, and a snapshot follows. */
export interface Resume {
  complete: boolean;
  events: number;
}

export interface SecurityAlert {
  reason: string;
  message: string;
  exit?: string;
  drift?: Array<string>;
  port?: string;
  client?: string;
  failures?: number;
  device?: string;
}

export interface ServersChanged {
  provider: string;
  added?: string;
  removed?: string;
  favourite?: string;
  servers?: number;
  measured?: number;
}

export interface SettingsChanged {
  changed: Array<string>;
}

/** Rates at one moment: the event has the number of the one before it, and is not kept. */
export interface TrafficRates {
  time: number;
  period: number;
  total: Bytes;
  devices: Record<string, Bytes>;
  exits: Record<string, Bytes>;
}

/** Another port is the WAN. */
export interface WanChanged {
  interface: string | null;
  port: string | null;
  problem: string | null;
}

/** What each type of message carries. */
export interface Payloads {
  device_change: DeviceChange;
  exception_end: ExceptionEnded;
  exception_ending: ExceptionEnding;
  exception_start: ExceptionStarted;
  exit_change: ExitChanged;
  heartbeat: null;
  provider_account: AccountChanged;
  provider_contact: ProviderContact;
  resume: Resume;
  security_alert: SecurityAlert;
  server_update: ServersChanged;
  settings_change: SettingsChanged;
  status_change: StatusBody;
  traffic: TrafficRates;
  unavailable: ErrorBody;
  wan_change: WanChanged;
}

export type Message = {
  [T in keyof Payloads]: { type: T; payload: Payloads[T]; seq: number | null; time: number };
}[keyof Payloads];
