/** The API's types, generated from its description by `make types`. */

export interface AccountBody {
  success: boolean;
  account: AccountStatus;
}

/** The part of an account that may be shown. Times are Unix times. */
export interface AccountStatus {
  signed_in: boolean;
  account: string | null;
  expires: number | null;
  days_left: number | null;
  device: string | null;
  max_devices: number | null;
  key_created: number | null;
  key_rotates: number | null;
  key_proven: boolean | null;
  problem: string | null;
  from_file: string | null;
}

export interface AddCustomServerOp {
  op: "add_custom_server";
  name: string;
  endpoint: string;
  public_key: string;
  private_key?: string | null;
  address?: string | null;
  dns?: string | null;
  allowed_ips?: string | null;
  location?: string | null;
  preshared_key?: string | null;
  mtu?: number | null;
  persistent_keepalive?: number | null;
}

export interface AdmitDeviceOp {
  op: "admit_device";
  mac: string;
}

export interface ArchiveAnswer {
  success: boolean;
  results: Array<FileResult>;
}

/** The verdict on the live kernel state against the plan. */
export interface Attestation {
  ok: boolean;
  checked: number;
  repairs: number;
  drift: Array<string>;
}

export interface BackupBody {
  passphrase: string;
  password?: string | null;
  code?: string | null;
}

export interface BulkAnswer {
  success: boolean;
  results: Array<OperationResult>;
}

export interface BulkBody {
  operations: Array<ConnectOp | DisconnectOp | SelectProviderOp | AddCustomServerOp | RemoveServerOp | ImportConfigOp | SetDevicePolicyOp | ChangeDeviceOp | AdmitDeviceOp | ForgetDeviceOp | SetSelfServiceOp | SetGroupOp | RemoveGroupOp | SetDeviceScheduleOp | StartExceptionOp | ChangeExceptionOp | EndExceptionOp | SetFavouriteOp | ChangeSettingsOp | MakeExitOp | ChangeExitOp | RemoveExitOp>;
  mode?: "atomic" | "each";
  password?: string | null;
  code?: string | null;
}

export interface Bytes {
  up: number;
  down: number;
}

/** The canary's rounds since netd's start; `latest` has the last one of each device that it is. */
export interface Canary {
  enabled: boolean;
  interval: number;
  rounds: number;
  probes: number;
  leaked: number;
  shut: string | null;
  problem: string | null;
  latest: Array<Observation>;
}

/** The actions that a client may offer for this provider. */
export interface Capabilities {
  add: boolean;
  import_config: boolean;
  remove: boolean;
  sign_in: boolean;
  devices: boolean;
  key_rotation: boolean;
  multihop: boolean;
  choose_port: boolean;
  ipv6_endpoint: boolean;
  post_quantum: boolean;
  content_blocking: Array<string>;
  file_key: boolean;
}

/** `for` some seconds from now, or `until` a Unix time. */
export interface ChangeBody {
  for?: number | null;
  until?: number | null;
  password?: string | null;
  code?: string | null;
}

export interface ChangeDeviceOp {
  op: "change_device";
  name?: string | null;
  group?: string | null;
  address?: string | null;
  mac: string;
}

export interface ChangeExceptionOp {
  op: "change_exception";
  id: number;
  for?: number | null;
  until?: number | null;
}

export interface ChangeExitOp {
  op: "change_exit";
  name: string;
  change: ExitChange;
}

export interface ChangeSettingsOp {
  op: "change_settings";
  settings: PreferencesChange;
}

export interface Check {
  name: string;
  result: "failed" | "ok" | "unknown";
  message: string;
}

export interface ConfirmTotp {
  code: string;
}

/** The password again, where what is asked for lets devices out in the clear that may not leave so now. */
export interface Confirmation {
  password?: string | null;
  code?: string | null;
}

export interface ConnectBody {
  server?: string;
  exit?: string;
  provider?: string | null;
}

export interface ConnectOp {
  op: "connect";
  server?: string;
  exit?: string;
  provider?: string | null;
}

export interface CreatedKey {
  success: boolean;
  id: string;
  key: string;
}

/** One field of the form to sign in with. */
export interface CredentialField {
  name: string;
  label: string;
  secret: boolean;
  optional: boolean;
  help: string;
  pattern: string | null;
  longest: number;
}

/** The parts of a server, as in the API contract (docs/api.md). A misspelt field is refused, not ignored. */
export interface CustomServerBody {
  name: string;
  endpoint: string;
  public_key: string;
  private_key?: string | null;
  address?: string | null;
  dns?: string | null;
  allowed_ips?: string | null;
  location?: string | null;
  preshared_key?: string | null;
  mtu?: number | null;
  persistent_keepalive?: number | null;
}

export interface DeviceBody {
  mac: string;
  name: string | null;
  hostname: string | null;
  address: string | null;
  addresses: Array<string>;
  leased: boolean;
  seen: number | null;
  policy: string;
  own_policy: boolean;
  standing_policy: string;
  policy_source: "choice" | "default" | "exception" | "group" | "group_schedule" | "own" | "schedule" | "waiting";
  exception: number | null;
  schedule: Array<ScheduleBody>;
  group: string | null;
  fixed_address: string | null;
  admitted: boolean;
  vendor: string | null;
  kind: "camera" | "computer" | "console" | "home" | "network" | "phone" | "printer" | "speaker" | "storage" | "tablet" | "tv" | "unknown";
  randomised: boolean;
  first_seen: number | null;
  last_seen: number | null;
  online: boolean;
  exit: string | null;
  reason: string | null;
  traffic: RecentTraffic | null;
}

/** A change of a device; fields that are left out keep their value, null removes it. */
export interface DeviceChangeBody {
  name?: string | null;
  group?: string | null;
  address?: string | null;
  password?: string | null;
  code?: string | null;
}

export interface DeviceHistoryBody {
  history: Array<DeviceRecord>;
  next: number | null;
}

/** Something that happened to a device. For most changes `before` is what was there instead. */
export interface DeviceRecord {
  id: number;
  time: number;
  change: "address" | "admitted" | "appeared" | "exception_end" | "exception_start" | "fixed_address" | "group" | "offline" | "online" | "own_policy" | "policy" | "renamed" | "schedule" | "self_service";
  policy?: string | null;
  before?: string | null;
  until?: number | null;
  by?: string | null;
  reason?: string | null;
  cause?: "choice" | "default" | "exception" | "group" | "group_schedule" | "own" | "schedule" | "waiting" | "ended" | "replaced" | "time" | null;
  group?: string | null;
  address?: string | null;
  name?: string | null;
  allow?: "all" | "exit" | "off" | "pause" | null;
}

export interface DeviceSelfServiceChange {
  allow: "all" | "default" | "exit" | "off" | "pause";
  exits?: Array<string> | null;
  longest_pause?: number;
  password?: string | null;
  code?: string | null;
}

export interface DeviceTraffic {
  mac: string;
  name: string | null;
  hostname: string | null;
  up: number;
  down: number;
  rate: Bytes;
}

export interface DisableTotp {
  password: string;
  code: string;
}

export interface DisconnectBody {
  exit?: string;
}

export interface DisconnectOp {
  op: "disconnect";
  exit?: string;
}

export interface EndExceptionOp {
  op: "end_exception";
  id: number;
}

export interface Enrol {
  password: string;
}

export interface EnrolmentBody {
  success: boolean;
  secret: string;
  uri: string;
  qr: string;
}

export interface ErrorBody {
  success: boolean;
  error: string;
  code: string;
  field?: string | null;
}

/** Where one probe was seen. None: nobody could look there. */
export interface Evidence {
  kind: "dns" | "dns_over_tls" | "doh" | "http" | "icmp" | "name" | "other_protocol" | "spoofed_foreign" | "spoofed_gateway" | "spoofed_wan" | "stun" | "tcp" | "udp";
  family: 4 | 6;
  seen_on_lan: boolean | null;
  seen_in_tunnel: boolean | null;
  seen_on_wan: boolean | null;
  seen_in_other_tunnel: boolean | null;
}

export interface ExceptionAnswer {
  success: boolean;
  exception: ExceptionBody;
}

export interface ExceptionBody {
  id: number;
  device: string | null;
  group: string | null;
  devices: Array<string>;
  policy: string;
  reason: string | null;
  by: string;
  started: number;
  until: number;
  seconds_left: number;
  kernel: boolean;
}

export interface ExceptionsBody {
  exceptions: Array<ExceptionBody>;
}

export interface ExitAnswer {
  success: boolean;
  exit: ExitBody;
  warnings?: Array<string>;
}

/** The settings of an exit, its status, and what uses it. */
export interface ExitBody {
  name: string;
  label: string | null;
  provider: string | null;
  target: string | null;
  fallbacks: Array<Fallback>;
  dns: Array<string>;
  mtu: number | null;
  auto_connect: boolean;
  server_changes: Array<ServerChange>;
  never: Never;
  devices: Array<string>;
  groups: Array<string>;
  default_policy: boolean;
  status: ExitStatus;
}

/** A change of an exit; fields that are left out keep their value, null takes it away. `name` renames it. */
export interface ExitChange {
  name?: string;
  label?: string | null;
  provider?: string | null;
  target?: string | null;
  fallbacks?: Array<Fallback>;
  dns?: Array<string>;
  mtu?: number | null;
  auto_connect?: boolean;
  server_changes?: Array<ServerChange>;
  never?: Never;
}

export type ExitState = "blocked" | "connected" | "connecting" | "disconnected" | "disconnecting";

export interface ExitStatus {
  name: string;
  state: ExitState;
  server: string | null;
  provider: string | null;
  location: string | null;
  ip: string | null;
  since: number | null;
  uptime: number | null;
  reason: string | null;
  message: string | null;
  retry_in: number | null;
  switching_to: string | null;
  interface: string | null;
  latest_handshake: number | null;
  rx_bytes: number;
  tx_bytes: number;
  ipv6: boolean;
  mtu: number | null;
  mtu_origin: "exit" | "found" | "provider" | "route" | "server" | null;
  post_quantum: boolean;
  post_quantum_problem: string | null;
  confirmed: boolean | null;
  resolvers: Array<string>;
  label: string | null;
  fallback_for: string | null;
  asked: string | null;
  dns_problem: string | null;
}

export interface ExitTraffic {
  exit: string;
  up: number;
  down: number;
  rate: Bytes;
}

export interface ExplainBody {
  device: string;
  destination: string;
  protocol?: "icmp" | "tcp" | "udp";
  port?: number;
  when?: number | null;
  if?: SuppositionBody | null;
}

export interface ExplanationBody {
  mac: string;
  policy: string;
  origin: "choice" | "default" | "exception" | "group" | "group_schedule" | "own" | "schedule" | "waiting";
  verdict: "blocked" | "clear" | "gateway" | "lan" | "lost" | "no_address" | "tunnel";
  sentence: string;
  next_step: string | null;
  lookup: NameAnswer | null;
  paths: Array<Path>;
  notes: Array<string>;
  failover: Successor | null;
}

/** The reaction to a server that stops answering. */
export interface FailoverSettings {
  enabled?: boolean;
  scope?: "anywhere" | "city" | "country";
  countries?: Array<string>;
  return_to_first?: boolean;
}

/** What an exit uses where the servers asked for do not answer; an imported file is of the provider `imported`. */
export interface Fallback {
  target: string;
  provider?: string | null;
}

export interface FileKeyBody {
  server: string;
}

export interface FileResult {
  file: string;
  success: boolean;
  name: string | null;
  warnings: Array<string>;
  opens: ListOffer | null;
  error: string | null;
  code: string | null;
  field: string | null;
}

export interface ForgetDeviceOp {
  op: "forget_device";
  mac: string;
}

/** The answer; `data` is absent where the query could not run at all, `errors` where there are none. The `extensions` of an error hold `code` and `field` as an error of the other endpoints does. */
export interface GraphqlAnswer {
  data?: Record<string, unknown> | null;
  errors?: Array<Record<string, unknown>>;
}

/** The request of "GraphQL over HTTP"; `extensions` are ignored. */
export interface GraphqlBody {
  query: string;
  operationName?: string | null;
  variables?: Record<string, unknown> | null;
  extensions?: Record<string, unknown> | null;
}

export interface GroupBody {
  name: string;
  policy: string | null;
  schedule: Array<ScheduleBody>;
  devices: Array<string>;
}

export interface GroupsBody {
  groups: Array<GroupBody>;
  time_zone: string;
}

export interface ImportBody {
  config: string;
  name?: string | null;
  file?: string | null;
  dry_run?: boolean;
}

export interface ImportConfigOp {
  op: "import_config";
  name: string;
  config: string;
}

export interface KeyBody {
  id: string;
  name: string;
  scope: "admin" | "connect" | "public" | "read";
  created: number;
  expires: number | null;
  last_used: number | null;
}

export interface KeypairBody {
  private_key: string;
  public_key: string;
}

export interface KeysBody {
  keys: Array<KeyBody>;
}

export interface LeakTestAnswer {
  ok: boolean;
  checks: Array<Check>;
  evidence: Array<Evidence>;
  report: string | null;
  control: boolean | null;
}

export interface LeakTestBody {
  exit?: string;
}

export interface Lease {
  mac: string;
  address: string;
  hostname: string | null;
  expires: number;
}

export interface LeasesBody {
  leases: Array<Lease>;
}

/** The reason why there is no usable WAN, and the remedy. */
export interface LinkProblem {
  reason: "networks_overlap" | "wan_ambiguous" | "wan_missing" | "wan_unknown";
  message: string;
}

export interface ListBody {
  success: boolean;
  list: ListStatus;
}

/** An imported file whose key opens the whole server list of its provider (`UseFileKey` accepts the offer). */
export interface ListOffer {
  provider: string;
  title: string;
  server: string;
  servers: number | null;
  listed: boolean;
}

/** The origin of the server list. `source`: provider (this time), kept, shipped, or none. */
export interface ListStatus {
  source: string;
  servers: number;
  fetched: number | null;
  changed: boolean;
  skipped: Array<SkippedEntry>;
}

export interface LogLine {
  number: number;
  time: number;
  level: string;
  logger: string;
  message: string;
}

export interface Login {
  password: string;
  code?: string | null;
  mode?: "cookie" | "token";
  scope?: "admin" | "connect" | "read";
}

export interface LogsAnswer {
  lines: Array<LogLine>;
  last: number;
}

export interface MakeExitOp {
  op: "make_exit";
  name: string;
  label?: string | null;
  provider?: string | null;
  target?: string | null;
  fallbacks?: Array<Fallback>;
  dns?: Array<string>;
  mtu?: number | null;
  auto_connect?: boolean;
  server_changes?: Array<ServerChange>;
  never?: Never;
}

export interface MeBody {
  mac: string;
  name: string | null;
  address: string;
  state: "blocked" | "direct" | "vpn";
  policy: string;
  exit: string | null;
  reason: string | null;
  since: number | null;
  until: number | null;
  sentence: string;
  next_step: string | null;
  self_service: "all" | "exit" | "off" | "pause";
  exits: Array<string>;
  chosen_exit: string | null;
  can_pause: boolean;
  longest_pause: number | null;
  pause: Pause | null;
}

/** One of the two; a field that is left out stays as it is. */
export interface MeChange {
  exit?: string | null;
  pause?: number;
}

/** The MTU of tunnels where it is not to be found by the gateway; that of an exit counts before a provider's. */
export interface MtuSettings {
  exits?: Record<string, number>;
  providers?: Record<string, number>;
}

/** What the gateway's resolver for the device answers to a name. */
export interface NameAnswer {
  name: string;
  addresses: Array<string>;
  exit: string | null;
  sentence: string;
}

/** A network port of the machine, wired or radio. */
export interface NetworkPort {
  name: string;
  role: "lan" | "modem" | "none" | "wan";
  mac: string;
  driver: string | null;
  usb: string | null;
  radio: boolean;
  carrier: boolean;
}

/** What an exit never uses, whoever asks for it; text is compared without case and accents. */
export interface Never {
  servers?: Array<string>;
  hosters?: Array<string>;
  countries?: Array<string>;
}

export interface NewExitBody {
  name: string;
  label?: string | null;
  provider?: string | null;
  target?: string | null;
  fallbacks?: Array<Fallback>;
  dns?: Array<string>;
  mtu?: number | null;
  auto_connect?: boolean;
  server_changes?: Array<ServerChange>;
  never?: Never;
}

export interface NewKey {
  name: string;
  scope?: "admin" | "connect" | "read";
  expires_in_days?: number | null;
  password?: string | null;
  code?: string | null;
}

/** One round of probes as one device, and what came of it. */
export interface Observation {
  device: string;
  mac: string;
  time: number;
  connected: boolean;
  evidence: Array<Evidence>;
  control: boolean | null;
  leaked: number;
  missed: number;
  problem: string | null;
  samples: Array<string>;
}

/** One thing that a restored backup opens and that the present settings keep closed. */
export interface Opening {
  what: "default_policy" | "direct" | "exit_check" | "new_devices" | "roles" | "self_service";
  message: string;
}

/** The outcome of one operation; `status` is that of the operation's own endpoint. */
export interface OperationResult {
  success: boolean;
  status: number;
  message: string | null;
  warnings: Array<string>;
  public_key: string | null;
  server: string | null;
  opens: ListOffer | null;
  error: string | null;
  code: string | null;
  field: string | null;
}

export interface PageBody {
  history: Array<Transition>;
  next: number | null;
}

/** The way of one packet of the device, as the rules, routes and filters of the plan decide it. */
export interface Path {
  family: 4 | 6;
  address: string | null;
  verdict: "blocked" | "clear" | "gateway" | "lan" | "lost" | "no_address" | "tunnel";
  exit: string | null;
  interface: string | null;
  source: string | null;
  rule: string | null;
  counter: string | null;
  sentence: string;
}

/** A pause that a device has taken: until then it leaves in the clear. */
export interface Pause {
  until: number;
}

/** One minute, hour or day from `time` on. `covered` is the share of it (0 to 1) in which the counters were being read. Where it is below 1, the bytes that the kernel counted in the gap are spread evenly over it; where nothing is known, `up` and `down` are None. */
export interface Point {
  time: number;
  up: number | null;
  down: number | null;
  covered: number;
}

export interface PolicyBody {
  policy: string;
  name?: string | null;
  password?: string | null;
  code?: string | null;
}

export interface Preferences {
  failover: FailoverSettings;
  connect_at_boot: boolean;
  server_changes: Array<ServerChange>;
  measure_latency: boolean;
  fallback_dns: Array<string>;
  exit_check_url: string | null;
  rebind_exceptions: Array<string>;
  host_names: Array<string>;
  favourites: Array<string>;
  recent: Array<string>;
  mtu: MtuSettings;
  default_policy: string;
  new_device_policy: "default" | "wait";
  time_zone: string;
}

/** A change of some settings; fields that are left out keep their value. */
export interface PreferencesChange {
  failover?: FailoverSettings;
  connect_at_boot?: boolean;
  server_changes?: Array<ServerChange>;
  measure_latency?: boolean;
  fallback_dns?: Array<string>;
  exit_check_url?: string | null;
  rebind_exceptions?: Array<string>;
  host_names?: Array<string>;
  mtu?: MtuSettings;
  default_policy?: string;
  new_device_policy?: "default" | "wait";
  time_zone?: string;
}

/** What the gateway sees of one browser; `evidence` is in the order of `probes`, once it is `done`. */
export interface Proof {
  id: string;
  state: "done" | "watching";
  seconds: number;
  probes: Array<ProofProbe>;
  evidence: Array<Evidence>;
  control: boolean | null;
  problem: string | null;
}

/** One thing for a browser to try. It fails: nobody answers at these addresses. */
export interface ProofProbe {
  kind: "doh" | "http" | "name" | "stun";
  family: 4 | 6;
  url: string;
}

/** A device of the account, as the provider lists it. */
export interface ProviderDevice {
  id: string;
  name: string;
  created: number | null;
  current: boolean;
}

export interface ProviderDevicesBody {
  devices: Array<ProviderDevice>;
}

/** Everything that a client needs to show one provider and to offer its actions. */
export interface ProviderInfo {
  name: string;
  title: string;
  current: boolean;
  capabilities: Capabilities;
  credentials: Array<CredentialField>;
  account: AccountStatus | null;
  list: ListStatus | null;
  settings: ProviderSettings | null;
  key_files: Array<string>;
}

/** The way to connect through one provider. A setting that the provider does not support is ignored. */
export interface ProviderSettings {
  port?: number | null;
  ipv6_endpoint?: boolean;
  multihop_entry?: string | null;
  content_blocking?: Array<string>;
  rotate_days?: number;
  post_quantum?: "off" | "prefer" | "require";
}

export interface ProviderSwitched {
  success: boolean;
  provider: string;
}

export interface ProvidersBody {
  providers: Array<string>;
  current: string;
}

/** Bytes of the last 24 hours, and a second just now. */
export interface RecentTraffic {
  up: number;
  down: number;
  rate: Bytes;
}

export interface RecoveryBody {
  success: boolean;
  recovery_codes: Array<string>;
}

export interface Refresh {
  refresh_token: string;
}

export interface RemoveExitBody {
  then?: string | null;
  password?: string | null;
  code?: string | null;
}

export interface RemoveExitOp {
  op: "remove_exit";
  name: string;
  then?: string | null;
}

export interface RemoveGroupOp {
  op: "remove_group";
  name: string;
}

export interface RemoveServerOp {
  op: "remove_custom_server";
  name: string;
}

export interface RestoreBody {
  backup: string;
  passphrase: string;
  dry_run?: boolean;
  accept?: Array<"default_policy" | "direct" | "exit_check" | "new_devices" | "roles" | "self_service">;
  password?: string | null;
  code?: string | null;
}

export interface RestoredBody {
  success: boolean;
  dry_run: boolean;
  message: string | null;
  created: number;
  application: string;
  version: number;
  servers: number;
  devices: number;
  parts: Array<string>;
  warnings: Array<string>;
  opens: Array<Opening>;
}

/** An entry of a schedule: `policy` from `start` to `end`, begun on `days`, in the gateway's time zone. */
export interface ScheduleBody {
  days: Array<number>;
  start: number;
  end: number;
  policy: string;
}

export interface ScheduleChange {
  schedule: Array<ScheduleBody>;
  password?: string | null;
  code?: string | null;
}

export interface SelectProviderOp {
  op: "select_provider";
  provider: string;
}

/** What a device may decide for itself, without the admin's password (`app.self_service`). */
export interface SelfService {
  allow: "all" | "exit" | "off" | "pause";
  exits: Array<string> | null;
  longest_pause: number;
}

export interface SelfServiceBody {
  everybody: SelfService;
  devices: Record<string, SelfService>;
}

export interface SelfServiceChange {
  allow: "all" | "exit" | "off" | "pause";
  exits?: Array<string> | null;
  longest_pause?: number;
  password?: string | null;
  code?: string | null;
}

export interface SeriesBody {
  device: string | null;
  exit: string | null;
  step: "day" | "hour" | "minute";
  start: number;
  end: number;
  sum: Bytes;
  rate: Bytes;
  points: Array<Point>;
}

export interface ServerBody {
  hostname: string;
  ipv4: string | null;
  type: string;
  provider: string;
  ipv6: string | null;
  endpoint: string | null;
  location: string;
  missing: Array<string>;
  warnings: Array<string>;
  latency: number | null;
  load: number | null;
  owned: boolean | null;
  hosted_by: string | null;
  features: Array<string>;
  favourite: boolean;
  country_code: string | null;
  latitude: number | null;
  longitude: number | null;
}

/** A scheduled change of server: at `at` (minutes after midnight, `time_zone`) on `days` (0 = Monday). */
export interface ServerChange {
  at: number;
  days?: Array<number>;
  select?: string;
}

export interface ServersBody {
  servers: Record<string, Record<string, Array<ServerBody>>>;
  provider: string;
}

export interface SessionBody {
  id: string;
  kind: "browser" | "token";
  scope: "admin" | "connect" | "public" | "read";
  created: number;
  last_used: number;
  expires: number;
  address: string;
  agent: string;
  current: boolean;
}

export interface SessionsBody {
  sessions: Array<SessionBody>;
}

export interface SetDevicePolicyOp {
  op: "set_device_policy";
  mac: string;
  policy: string;
  name?: string | null;
}

export interface SetDeviceScheduleOp {
  op: "set_device_schedule";
  mac: string;
  schedule: Array<ScheduleBody>;
}

export interface SetFavouriteOp {
  op: "set_favourite";
  provider: string;
  server: string;
  favourite?: boolean;
}

export interface SetGroupBody {
  policy?: string | null;
  schedule?: Array<ScheduleBody>;
  password?: string | null;
  code?: string | null;
}

export interface SetGroupOp {
  op: "set_group";
  name: string;
  policy?: string | null;
  schedule?: Array<ScheduleBody>;
}

export interface SetPassword {
  password: string;
  current?: string | null;
  code?: string | null;
}

export interface SetSelfServiceOp {
  op: "set_self_service";
  allow: "all" | "exit" | "off" | "pause";
  mac?: string | null;
  exits?: Array<string> | null;
  longest_pause?: number;
}

/** A change of some settings; fields that are left out keep their value. */
export interface SettingsBody {
  failover?: FailoverSettings;
  connect_at_boot?: boolean;
  server_changes?: Array<ServerChange>;
  measure_latency?: boolean;
  fallback_dns?: Array<string>;
  exit_check_url?: string | null;
  rebind_exceptions?: Array<string>;
  host_names?: Array<string>;
  mtu?: MtuSettings;
  default_policy?: string;
  new_device_policy?: "default" | "wait";
  time_zone?: string;
  password?: string | null;
  code?: string | null;
}

/** The sign-in form; `credentials` are the fields that `GET /api/providers/{name}` lists. */
export interface SignInBody {
  credentials: Record<string, string>;
}

/** An entry of the provider's list that is not offered, and why. */
export interface SkippedEntry {
  entry: string;
  reason: string;
  bad: boolean;
}

/** A device or a group, a policy, and `for` some seconds or `until` a Unix time, at most 30 days ahead. */
export interface StartBody {
  policy: string;
  device?: string | null;
  group?: string | null;
  for?: number | null;
  until?: number | null;
  reason?: string | null;
  password?: string | null;
  code?: string | null;
}

export interface StartExceptionOp {
  op: "start_exception";
  policy: string;
  device?: string | null;
  group?: string | null;
  for?: number | null;
  until?: number | null;
  reason?: string | null;
}

/** The status, with that of the default exit. `server`, `ip`, `location` and `uptime` are null unless connected. */
export interface StatusBody {
  connected: boolean;
  provider: string;
  server: string | null;
  ip: string | null;
  location: string | null;
  uptime: string | null;
  killswitch_active: boolean;
  state: ExitState;
  uptime_seconds: number | null;
  since: number | null;
  target: string | null;
  switching_to: string | null;
  reason: string | null;
  message: string | null;
  retry_in: number | null;
  latest_handshake: number | null;
  rx_bytes: number;
  tx_bytes: number;
  ipv6: boolean;
  interface: string | null;
  mtu: number | null;
  mtu_origin: "exit" | "found" | "provider" | "route" | "server" | null;
  post_quantum: boolean;
  post_quantum_problem: string | null;
  current_provider: string;
  exits: Array<ExitStatus>;
  wan: WanLink | null;
  wan_problem: LinkProblem | null;
  wan_choice: WanChoice;
  problems: Array<string>;
  ports: Array<NetworkPort>;
  attestation: Attestation;
  drops: Record<string, number>;
  wireguard: string;
  version: string;
  seq: number;
}

/** The answer `{"success": true}` of the API contract (docs/api.md), with optional details. */
export interface Success {
  success: boolean;
  message?: string | null;
  warnings?: Array<string>;
  public_key?: string | null;
  server?: string | null;
  opens?: ListOffer | null;
}

/** What failover would do for an exit that is supposed to be down. */
export interface Successor {
  provider: string | null;
  server: string | null;
  sentence: string;
}

export interface SuppositionBody {
  exit_down?: string | null;
  policy?: string | null;
  wan_down?: boolean;
}

/** As in RFC 6749 5.1; with `mode: cookie` there is no token in it. */
export interface Tokens {
  success: boolean;
  access_token?: string | null;
  token_type?: string | null;
  expires_in?: number | null;
  refresh_token?: string | null;
  scope?: "admin" | "connect" | "public" | "read" | null;
}

/** An exit went `before` -> `after` because of `cause`. `server` and `provider` are those of the new state, else of the one left; `previous_server` only where it is another. `duration` is what the state left lasted, in seconds; `up` and `down` are the bytes of the tunnel left, None where there was none or they could not be read. */
export interface Transition {
  id: number;
  time: number;
  exit: string;
  before: string;
  after: string;
  cause: string;
  message: string | null;
  provider: string | null;
  server: string | null;
  previous_server: string | null;
  duration: number | null;
  up: number | null;
  down: number | null;
  attempt: number;
}

export interface WanBody {
  port: string | null;
  fixed_by: string | null;
  interface: string | null;
  problem: LinkProblem | null;
  ports: Array<NetworkPort>;
}

export interface WanChange {
  port: string | null;
}

/** The origin of the choice of the WAN. */
export interface WanChoice {
  port: string | null;
  fixed_by: string | null;
}

/** The WAN as the kernel shows it now. */
export interface WanLink {
  name: string;
  up: boolean;
  mtu: number;
  addresses: Array<string>;
  gateway4: string | null;
  gateway6: string | null;
  nameservers: Array<string>;
  port: string | null;
}

export interface WhoBody {
  available: boolean;
  password_set: boolean;
  second_factor: boolean;
  authenticated: boolean;
  kind: "browser" | "key" | "open" | "token" | null;
  scope: "admin" | "connect" | "public" | "read" | null;
  first_password_seconds: number | null;
}

export interface WhyBody {
  mac: string;
  name: string | null;
  state: "blocked" | "direct" | "vpn";
  policy: string;
  origin: "choice" | "default" | "exception" | "group" | "group_schedule" | "own" | "schedule" | "waiting";
  exit: string | null;
  reason: string | null;
  rule: string | null;
  counter: string | null;
  packets: number | null;
  since: number | null;
  until: number | null;
  sentence: string;
  next_step: string | null;
  paths: Array<Path>;
  notes: Array<string>;
}

export interface DevicesDevicesBody {
  devices: Array<DeviceBody>;
  default_policy: string;
  new_device_policy: "default" | "wait";
}

export interface ExitsExitsBody {
  exits: Array<ExitBody>;
  most: number;
}

export interface TrafficDevicesBody {
  range: number;
  step: "day" | "hour" | "minute";
  devices: Array<DeviceTraffic>;
}

export interface TrafficExitsBody {
  range: number;
  step: "day" | "hour" | "minute";
  exits: Array<ExitTraffic>;
}

/** Every operation by its method and path; `body` is `never` for an operation without one. */
export interface Operations {
  "GET /api/auth/keys": { body: never; answer: KeysBody };
  "POST /api/auth/keys": { body: NewKey; answer: CreatedKey };
  "DELETE /api/auth/keys/{}": { body: never; answer: Success };
  "POST /api/auth/login": { body: Login; answer: Tokens };
  "POST /api/auth/logout": { body: never; answer: Success };
  "POST /api/auth/password": { body: SetPassword; answer: Success };
  "POST /api/auth/refresh": { body: Refresh; answer: Tokens };
  "GET /api/auth/session": { body: never; answer: WhoBody };
  "GET /api/auth/sessions": { body: never; answer: SessionsBody };
  "DELETE /api/auth/sessions/{}": { body: never; answer: Success };
  "DELETE /api/auth/totp": { body: DisableTotp; answer: Success };
  "POST /api/auth/totp": { body: Enrol; answer: EnrolmentBody };
  "POST /api/auth/totp/confirm": { body: ConfirmTotp; answer: RecoveryBody };
  "POST /api/backup": { body: BackupBody; answer: Blob };
  "POST /api/bulk": { body: BulkBody; answer: BulkAnswer };
  "GET /api/canary": { body: never; answer: Canary };
  "POST /api/canary/open": { body: never; answer: Success };
  "POST /api/connect": { body: ConnectBody; answer: Success };
  "POST /api/custom/add": { body: CustomServerBody; answer: Success };
  "DELETE /api/custom/remove/{}": { body: never; answer: Success };
  "GET /api/devices": { body: never; answer: DevicesDevicesBody };
  "DELETE /api/devices/{}": { body: Confirmation | undefined; answer: Success };
  "GET /api/devices/{}": { body: never; answer: DeviceBody };
  "PATCH /api/devices/{}": { body: DeviceChangeBody; answer: Success };
  "POST /api/devices/{}/admit": { body: Confirmation | undefined; answer: Success };
  "GET /api/devices/{}/history": { body: never; answer: DeviceHistoryBody };
  "PUT /api/devices/{}/policy": { body: PolicyBody; answer: Success };
  "PUT /api/devices/{}/schedule": { body: ScheduleChange; answer: Success };
  "PUT /api/devices/{}/self-service": { body: DeviceSelfServiceChange; answer: Success };
  "GET /api/devices/{}/why": { body: never; answer: WhyBody };
  "POST /api/disconnect": { body: DisconnectBody | undefined; answer: Success };
  "GET /api/docs": { body: never; answer: string };
  "GET /api/exceptions": { body: never; answer: ExceptionsBody };
  "POST /api/exceptions": { body: StartBody; answer: ExceptionAnswer };
  "DELETE /api/exceptions/{}": { body: Confirmation | undefined; answer: Success };
  "PATCH /api/exceptions/{}": { body: ChangeBody; answer: ExceptionAnswer };
  "GET /api/exits": { body: never; answer: ExitsExitsBody };
  "POST /api/exits": { body: NewExitBody; answer: ExitAnswer };
  "DELETE /api/exits/{}": { body: RemoveExitBody | undefined; answer: Success };
  "GET /api/exits/{}": { body: never; answer: ExitBody };
  "PATCH /api/exits/{}": { body: ExitChange; answer: ExitAnswer };
  "POST /api/explain": { body: ExplainBody; answer: ExplanationBody };
  "DELETE /api/favourites/{}/{}": { body: never; answer: Success };
  "PUT /api/favourites/{}/{}": { body: never; answer: Success };
  "GET /api/groups": { body: never; answer: GroupsBody };
  "DELETE /api/groups/{}": { body: Confirmation | undefined; answer: Success };
  "PUT /api/groups/{}": { body: SetGroupBody; answer: Success };
  "GET /api/history": { body: never; answer: PageBody };
  "GET /api/history.csv": { body: never; answer: string };
  "POST /api/import": { body: ImportBody; answer: Success };
  "POST /api/import/bulk": { body: Blob; answer: ArchiveAnswer };
  "GET /api/keypair": { body: never; answer: KeypairBody };
  "POST /api/leak-test": { body: LeakTestBody | undefined; answer: LeakTestAnswer };
  "GET /api/leases": { body: never; answer: LeasesBody };
  "GET /api/logs": { body: never; answer: LogsAnswer };
  "GET /api/me": { body: never; answer: MeBody };
  "PATCH /api/me": { body: MeChange; answer: MeBody };
  "GET /api/openapi.json": { body: never; answer: Record<string, unknown> };
  "POST /api/proof": { body: never; answer: Proof };
  "GET /api/proof/{}": { body: never; answer: Proof };
  "POST /api/provider/{}": { body: never; answer: ProviderSwitched };
  "GET /api/providers": { body: never; answer: ProvidersBody };
  "GET /api/providers/{}": { body: never; answer: ProviderInfo };
  "GET /api/providers/{}/account": { body: never; answer: AccountBody };
  "GET /api/providers/{}/devices": { body: never; answer: ProviderDevicesBody };
  "DELETE /api/providers/{}/devices/{}": { body: never; answer: Success };
  "POST /api/providers/{}/login": { body: SignInBody; answer: AccountBody };
  "POST /api/providers/{}/logout": { body: never; answer: Success };
  "POST /api/providers/{}/refresh": { body: never; answer: ListBody };
  "POST /api/providers/{}/rotate-key": { body: never; answer: AccountBody };
  "PUT /api/providers/{}/settings": { body: ProviderSettings; answer: Success };
  "POST /api/providers/{}/use-key": { body: FileKeyBody; answer: AccountBody };
  "POST /api/restore": { body: RestoreBody; answer: RestoredBody };
  "GET /api/self-service": { body: never; answer: SelfServiceBody };
  "PUT /api/self-service": { body: SelfServiceChange; answer: Success };
  "GET /api/servers": { body: never; answer: ServersBody };
  "GET /api/settings": { body: never; answer: Preferences };
  "PATCH /api/settings": { body: SettingsBody; answer: Preferences };
  "GET /api/status": { body: never; answer: StatusBody };
  "GET /api/support": { body: never; answer: string };
  "GET /api/traffic": { body: never; answer: SeriesBody };
  "GET /api/traffic/devices": { body: never; answer: TrafficDevicesBody };
  "GET /api/traffic/exits": { body: never; answer: TrafficExitsBody };
  "GET /api/wan": { body: never; answer: WanBody };
  "PUT /api/wan": { body: WanChange; answer: WanBody };
  "GET /graphql": { body: never; answer: never };
  "POST /graphql": { body: GraphqlBody; answer: GraphqlAnswer };
  "GET /health": { body: never; answer: string };
  "GET /metrics": { body: never; answer: string };
  "GET /ws": { body: never; answer: never };
}
