// Made by `npm run types` from records.schema.json; change the Python types instead.
// SHA-256 of the schema: e435d9d331b6636673c29ebf8af732765446f74a8aaaa77e7560e6b12e2a80e7

export type Frame = Progress | Answer | Refusal;
export type Node =
  | RawDataNode
  | TableDataNode
  | PythonNode
  | RNode
  | PythonEnvironmentNode
  | SqlNode
  | SqliteNode
  | SyntheticNode
  | MatchNode
  | PreviewNode;

/**
 * All of them by their names: `Records["Manifest"]` is `Manifest`.
 */
export interface Records {
  Accepted: Accepted;
  AdmitDevice: AdmitDevice;
  Answer: Answer;
  AttachDataset: AttachDataset;
  Attached: Attached;
  Attachment: Attachment;
  Attested: Attested;
  AwaitJob: AwaitJob;
  BoundKey: BoundKey;
  CancelJob: CancelJob;
  Column: Column;
  Configuration: Configuration;
  Dataset: Dataset;
  DatasetAttached: DatasetAttached;
  DatasetFetched: DatasetFetched;
  DatasetRecord: DatasetRecord;
  DatasetRemoved: DatasetRemoved;
  Definition: Definition;
  Describe: Describe;
  Description: Description;
  Descriptor: Descriptor;
  DeviceAdmitted: DeviceAdmitted;
  DeviceBound: DeviceBound;
  DeviceDismissed: DeviceDismissed;
  DismissDevice: DismissDevice;
  Done: Done;
  EnclaveEvidence: EnclaveEvidence;
  EnclaveKeys: EnclaveKeys;
  Envelope: Envelope;
  Event: Event;
  Evidence: Evidence;
  Failed: Failed;
  FetchDataset: FetchDataset;
  FetchResult: FetchResult;
  Finished: Finished;
  Frame: Frame;
  GetNonce: GetNonce;
  HandedBack: HandedBack;
  ImageReference: ImageReference;
  Input: Input;
  Issuer: Issuer;
  Item: Item;
  ItemPut: ItemPut;
  ItemRemoved: ItemRemoved;
  Items: Items;
  JsonWebKey: JsonWebKey;
  KeyBound: KeyBound;
  KeySet: KeySet;
  KeyUnbound: KeyUnbound;
  Limits: Limits;
  ListItems: ListItems;
  LockedPackage: LockedPackage;
  Log: Log;
  LogRead: LogRead;
  Manifest: Manifest;
  MatchNode: MatchNode;
  Node: Node;
  NodeReport: NodeReport;
  Nonce: Nonce;
  OpenVault: OpenVault;
  Part: Part;
  Participant: Participant;
  PreviewNode: PreviewNode;
  Progress: Progress;
  PublishRoom: PublishRoom;
  Published: Published;
  PullTask: PullTask;
  PutItem: PutItem;
  PutItems: PutItems;
  PythonEnvironmentNode: PythonEnvironmentNode;
  PythonNode: PythonNode;
  RNode: RNode;
  Range: Range;
  RawDataNode: RawDataNode;
  ReadItem: ReadItem;
  ReadLog: ReadLog;
  ReadStatus: ReadStatus;
  ReceiptBody: ReceiptBody;
  Reference: Reference;
  Refusal: Refusal;
  RemoveDataset: RemoveDataset;
  RemoveItem: RemoveItem;
  Report: Report;
  Request: Request;
  ResolveEnvironment: ResolveEnvironment;
  Resolved: Resolved;
  ResolvedEnvironment: ResolvedEnvironment;
  Restored: Restored;
  Result: Result;
  ResultFetched: ResultFetched;
  ResultLost: ResultLost;
  RetrieveRoom: RetrieveRoom;
  RoomContent: RoomContent;
  RoomEntry: RoomEntry;
  RoomReport: RoomReport;
  RoomStatus: RoomStatus;
  RunComputation: RunComputation;
  RunFailed: RunFailed;
  RunFinished: RunFinished;
  RunStarted: RunStarted;
  RunVoided: RunVoided;
  SealedTask: SealedTask;
  Signature: Signature;
  SignedKeys: SignedKeys;
  SoftwareDocument: SoftwareDocument;
  Spent: Spent;
  SqlNode: SqlNode;
  SqliteNode: SqliteNode;
  Statement: Statement;
  StopRoom: StopRoom;
  Stopped: Stopped;
  StoredBlob: StoredBlob;
  StoredPart: StoredPart;
  SyntheticColumn: SyntheticColumn;
  SyntheticNode: SyntheticNode;
  TableDataNode: TableDataNode;
  Task: Task;
  TaskEnvironment: TaskEnvironment;
  TaskInput: TaskInput;
  TaskResult: TaskResult;
  TextFile: TextFile;
  Unable: Unable;
  UnbindKey: UnbindKey;
  VaultDefinition: VaultDefinition;
  VaultDevice: VaultDevice;
  VaultEvent: VaultEvent;
  VaultOpened: VaultOpened;
  VaultStatus: VaultStatus;
}
/**
 * The worker's evidence was appraised and accepted; a task will come.
 */
export interface Accepted {
  type: "accepted";
}
/**
 * Lets another of the user's devices see the keys that are kept. Answered with `Done`.
 */
export interface AdmitDevice {
  type: "admit_device";
  key: string;
}
/**
 * The last frame, where all went well.
 */
export interface Answer {
  frame: "answer";
  body:
    | Done
    | Description
    | ResolvedEnvironment
    | RoomContent
    | RoomStatus
    | Dataset
    | Result
    | Log
    | VaultStatus
    | Items
    | Nonce;
  checkpoint: string | null;
  consistency: string[];
  restored?: Restored;
}
/**
 * It is so.
 */
export interface Done {
  type: "done";
}
/**
 * The reference values for new rooms.
 */
export interface Description {
  type: "description";
  enclaves: Reference[];
  workers: Reference[];
  images: ImageReference[];
}
/**
 * Reference values (RFC 9334): what the evidence of a part of the system must show.
 */
export interface Reference {
  evidence: string;
  measurement: string;
}
/**
 * The environment that computations run in.
 */
export interface ImageReference {
  name: string;
  measurement: string;
}
export interface ResolvedEnvironment {
  type: "resolved_environment";
  /**
   * @maxItems 1000
   */
  lock: LockedPackage[];
}
/**
 * One package of a lock: whatever an index sends in its name must be one of these files.
 */
export interface LockedPackage {
  name: string;
  version: string;
  /**
   * @minItems 1
   * @maxItems 64
   */
  sha256: string[];
}
export interface RoomContent {
  type: "room_content";
  definition: string;
}
export interface RoomStatus {
  type: "room_status";
  stopped: boolean;
  attached: Attached[];
  keys: BoundKey[];
  privacy?: Spent[];
}
export interface Attached {
  node: string;
  manifest: string;
}
export interface BoundKey {
  user: string;
  key: string;
}
/**
 * What the runs of a room have cost the privacy of one data node.
 */
export interface Spent {
  node: string;
  epsilon: number;
}
export interface Dataset {
  type: "dataset";
  manifest: Manifest;
  key: string;
}
/**
 * What is needed, beside the key, to fetch and check a dataset.
 */
export interface Manifest {
  version: 1;
  dataset: string;
  size: number;
  parts: Part[];
  commitment: string;
}
/**
 * One encrypted part: what the blob store holds under the dataset's id and the part's index.
 */
export interface Part {
  size: number;
  sha256: string;
}
export interface Result {
  type: "result";
  manifest: Manifest;
  key: string;
  name: string;
  receipt: string;
  commitment: string;
}
export interface Log {
  type: "log";
  events: string[];
}
export interface VaultStatus {
  type: "vault_status";
  devices: VaultDevice[];
}
/**
 * A device that may open the vault.
 */
export interface VaultDevice {
  key: string;
  bound_at: number;
  admitted: boolean;
}
export interface Items {
  type: "items";
  items: Item[];
  more: boolean;
}
export interface Item {
  item: string;
  revision: string;
  value: string;
}
export interface Nonce {
  type: "nonce";
  nonce: string;
}
/**
 * The operator has put back an old copy of the enclave's store: what followed the event before this one, if
 *     anything did, is lost. By the operator's word; the enclave can't tell.
 */
export interface Restored {
  type: "restored";
  restore: string;
  declared: number;
}
/**
 * Answered with `Done`.
 */
export interface AttachDataset {
  type: "attach_dataset";
  node: string;
  manifest: Manifest;
  key: string;
  request: string;
  /**
   * @maxItems 10000
   */
  readers?: string[];
}
/**
 * Where a dataset was attached, or was about to be.
 */
export interface Attachment {
  room: string;
  node: string;
}
/**
 * What a piece of the system proved to be.
 */
export interface Attested {
  evidence: string;
  measurement: string;
}
/**
 * Answered with `Progress` at every change, and `Done` once the result can be fetched.
 */
export interface AwaitJob {
  type: "await_job";
  node: string;
  job: string;
  fetch?: boolean;
}
/**
 * Ends what runs for a job that the asker has started. What other jobs wait for too goes on.
 *
 *     Answered with `Done`, also where nothing (any more) runs for it: a result that is there by then can be fetched.
 */
export interface CancelJob {
  type: "cancel_job";
  node: string;
  job: string;
}
/**
 * One column of a table data node.
 */
export interface Column {
  name: string;
  type: "DATE_ISO8601" | "EMAIL" | "FLOAT" | "HASH_SHA256_HEX" | "INTEGER" | "PHONE_NUMBER_E164" | "STRING";
  nullable: boolean;
  hashed: boolean;
  range?: Range;
}
/**
 * Bounds that each number of a column keeps.
 */
export interface Range {
  greater_than?: number;
  greater_than_equals?: number;
  less_than?: number;
  less_than_equals?: number;
}
/**
 * All that stands in a room's definition by the will of its author.
 */
export interface Configuration {
  format: "cloister-room";
  version: 1;
  title: string;
  description: string;
  owner: string;
  participants: Participant[];
  nodes: (
    | RawDataNode
    | TableDataNode
    | PythonNode
    | RNode
    | PythonEnvironmentNode
    | SqlNode
    | SqliteNode
    | SyntheticNode
    | MatchNode
    | PreviewNode
  )[];
  pins_required: boolean;
  privacy_budget?: number;
}
/**
 * One user and their roles. Being listed at all is the right to see the room.
 */
export interface Participant {
  user: string;
  data_owner_of: string[];
  analyst_of: string[];
  keys: string[];
}
/**
 * A place for one file of any content. Mounted as the file ``/input/<name>``.
 */
export interface RawDataNode {
  kind: "raw_data";
  id: string;
  name: string;
  required: boolean;
}
/**
 * A place for one CSV file of a known shape. What is attached is validated before anything reads it: its result is
 *     a table with a report on that. Mounted as a folder of the node's name.
 */
export interface TableDataNode {
  kind: "table_data";
  id: string;
  name: string;
  required: boolean;
  columns: Column[];
  drop_invalid_rows: boolean;
  unique: number[][];
  image: string;
  limits: Limits;
}
/**
 * Upper bounds for one run of one container. Exceeding one ends the run with an error that names it.
 */
export interface Limits {
  memory_bytes: number;
  pids: number;
  cpus: number;
  wall_seconds: number;
  output_bytes: number;
  output_files: number;
  scratch_bytes: number;
  log_bytes: number;
}
/**
 * A Python script.
 */
export interface PythonNode {
  kind: "python";
  id: string;
  name: string;
  script: string;
  files: TextFile[];
  dependencies: string[];
  logs_on_error: boolean;
  logs_on_success: boolean;
  image: string;
  limits: Limits;
  environment?: string;
}
/**
 * A static text that a computation finds at ``/input/code/<name>``; the name may have folders.
 */
export interface TextFile {
  name: string;
  content: string;
}
/**
 * An R script.
 */
export interface RNode {
  kind: "r";
  id: string;
  name: string;
  script: string;
  files: TextFile[];
  dependencies: string[];
  logs_on_error: boolean;
  logs_on_success: boolean;
  image: string;
  limits: Limits;
}
/**
 * Python packages for scripts. Its result is a zip with a report of what was installed.
 */
export interface PythonEnvironmentNode {
  kind: "python_environment";
  id: string;
  name: string;
  requirements: string;
  /**
   * @maxItems 1000
   */
  lock: LockedPackage[];
  image: string;
  limits: Limits;
}
/**
 * A query over tables. Its result is a table.
 */
export interface SqlNode {
  kind: "sql";
  id: string;
  name: string;
  statement: string;
  dependencies: string[];
  minimum_rows?: number;
  image: string;
  limits: Limits;
}
/**
 * A query in SQLite's dialect. Its result is a table.
 */
export interface SqliteNode {
  kind: "sqlite";
  id: string;
  name: string;
  statement: string;
  dependencies: string[];
  logs_on_error: boolean;
  logs_on_success: boolean;
  image: string;
  limits: Limits;
}
/**
 * A table like another, made with differential privacy. Its result is a table with a report on its quality.
 */
export interface SyntheticNode {
  kind: "synthetic";
  id: string;
  name: string;
  columns: SyntheticColumn[];
  dependency: string;
  epsilon: number;
  statistics: boolean;
  logs_on_error: boolean;
  logs_on_success: boolean;
  image: string;
  limits: Limits;
}
/**
 * One column that synthetic data is made for.
 */
export interface SyntheticColumn {
  index: number;
  name?: string;
  type: "DATE_ISO8601" | "EMAIL" | "FLOAT" | "HASH_SHA256_HEX" | "INTEGER" | "PHONE_NUMBER_E164" | "STRING";
  mask_type:
    | "address"
    | "date"
    | "email"
    | "genericNumber"
    | "genericString"
    | "iban"
    | "name"
    | "phoneNumber"
    | "postcode"
    | "socialSecurityNumber"
    | "timestamp";
  mask: boolean;
  nullable: boolean;
}
/**
 * Finds the rows of two tables that belong together. Its result is noisy statistics; later computations find the
 *     matched rows themselves.
 */
export interface MatchNode {
  kind: "match";
  id: string;
  name: string;
  query: string;
  round: number;
  epsilon: number;
  sensitivity: number;
  paths: string[];
  dependencies: string[];
  logs_on_error: boolean;
  logs_on_success: boolean;
  image: string;
  limits: Limits;
}
/**
 * What another node holds, for its analysts to look at; so many bytes each and no more.
 */
export interface PreviewNode {
  kind: "preview";
  id: string;
  name: string;
  dependency: string;
  quota_bytes: number;
  image: string;
  limits: Limits;
}
export interface DatasetAttached {
  type: "dataset_attached";
  node: string;
  manifest: string;
  request: string;
  readers?: string[];
}
/**
 * A data owner of the node got what is attached there.
 */
export interface DatasetFetched {
  type: "dataset_fetched";
  node: string;
  manifest: string;
}
/**
 * Item ``dataset/<hash>``.
 */
export interface DatasetRecord {
  version: 1;
  name: string;
  description: string;
  size: number;
  created: number;
  attached: Attachment[];
}
/**
 * The data is gone, with the keys of everything that was derived from it.
 */
export interface DatasetRemoved {
  type: "dataset_removed";
  node: string;
  manifest: string;
  request: string;
}
/**
 * A room as it is published.
 */
export interface Definition {
  version: 1;
  nonce: string;
  title: string;
  description: string;
  owner: string;
  participants: Participant[];
  nodes: (
    | RawDataNode
    | TableDataNode
    | PythonNode
    | RNode
    | PythonEnvironmentNode
    | SqlNode
    | SqliteNode
    | SyntheticNode
    | MatchNode
    | PreviewNode
  )[];
  issuers: Issuer[];
  pins_required: boolean;
  enclaves: Reference[];
  workers: Reference[];
  images: ImageReference[];
  privacy_budget?: number;
}
/**
 * Who may vouch that a device key belongs to an email: an identity provider's name and Ed25519 keys.
 */
export interface Issuer {
  name: string;
  keys: string[];
}
/**
 * What this enclave is and which images its workers offer. Answered with `Description`.
 */
export interface Describe {
  type: "describe";
}
export interface Descriptor {
  name: string;
  digest: {
    [k: string]: string;
  };
}
/**
 * An admitted device vouches for another one.
 */
export interface DeviceAdmitted {
  type: "device_admitted";
  key: string;
}
/**
 * A device came in.
 */
export interface DeviceBound {
  type: "device_bound";
  key: string;
  issuer: string;
}
/**
 * A device is out, for good.
 */
export interface DeviceDismissed {
  type: "device_dismissed";
  key: string;
}
/**
 * Puts a device out of the vault, for good. Answered with `Done`.
 */
export interface DismissDevice {
  type: "dismiss_device";
  key: string;
}
/**
 * What the enclave shows to anyone who sends a nonce, in the clear.
 */
export interface EnclaveEvidence {
  evidence: Evidence;
  keys: SignedKeys;
}
/**
 * A document and the type that says how to read it.
 */
export interface Evidence {
  version: 1;
  type: string;
  document: string;
}
/**
 * `EnclaveKeys` under the signature of their own signing key, so that a client that has appraised the signing
 *     key once can follow the hourly change of the sealing key.
 */
export interface SignedKeys {
  keys: EnclaveKeys;
  signature: string;
}
/**
 * The public keys that evidence vouches for.
 */
export interface EnclaveKeys {
  version: 1;
  made: number;
  signing: string;
  sealing: string;
}
/**
 * DSSE envelope.
 */
export interface Envelope {
  payload: string;
  payloadType: string;
  signatures: Signature[];
}
export interface Signature {
  keyid: string;
  sig: string;
}
/**
 * One entry of a room's log. Its canonical JSON is the leaf of the Merkle tree.
 */
export interface Event {
  version: 1;
  time: number;
  actor: string;
  body:
    | Published
    | KeyBound
    | KeyUnbound
    | DatasetAttached
    | DatasetRemoved
    | DatasetFetched
    | RunStarted
    | RunFinished
    | RunFailed
    | RunVoided
    | ResultLost
    | ResultFetched
    | LogRead
    | Stopped
    | Restored;
}
/**
 * The room came to be. Always the first event, and only that.
 */
export interface Published {
  type: "published";
  definition: Definition;
}
/**
 * From here on this device key speaks for this user.
 */
export interface KeyBound {
  type: "key_bound";
  user: string;
  key: string;
  issuer: string;
}
/**
 * From here on this device key speaks for this user no more, and never will again.
 */
export interface KeyUnbound {
  type: "key_unbound";
  user: string;
  key: string;
}
export interface RunStarted {
  type: "run_started";
  run: string;
  node: string;
  cache_key: string;
  inputs: Input[];
  epsilon?: number;
}
/**
 * One dependency of the computation.
 */
export interface Input {
  node: string;
  manifest: string | null;
}
/**
 * The result may be fetched by those whom the definition names.
 */
export interface RunFinished {
  type: "run_finished";
  run: string;
  node: string;
  manifest: string;
  worker: Attested;
  withheld?: string;
}
/**
 * The computation did not end well. Why is for its analysts alone: how a script fails may depend on data.
 */
export interface RunFailed {
  type: "run_failed";
  run: string;
  node: string;
  unspent?: true;
}
/**
 * The run's result was never released and never will be.
 */
export interface RunVoided {
  type: "run_voided";
  run: string;
  node: string;
  reason: "cancelled" | "input removed" | "interrupted" | "room stopped" | "worker lost";
}
/**
 * By an analyst's word the hub doesn't have the result any more: it may be computed anew.
 */
export interface ResultLost {
  type: "result_lost";
  run: string;
  node: string;
}
export interface ResultFetched {
  type: "result_fetched";
  run: string;
  node: string;
  spent?: number;
}
export interface LogRead {
  type: "log_read";
  size: number;
}
/**
 * Nothing can be attached, run or fetched any more.
 */
export interface Stopped {
  type: "stopped";
}
export interface Failed {
  type: "failed";
  message: string;
  log: string;
  unread?: true;
}
/**
 * Answered with `Dataset`: what a data owner of the node has attached, for the devices that it was attached for.
 */
export interface FetchDataset {
  type: "fetch_dataset";
  node: string;
}
/**
 * Answered with `Result`.
 */
export interface FetchResult {
  type: "fetch_result";
  node: string;
  job: string | null;
}
export interface Finished {
  type: "finished";
  manifest: Manifest;
  commitment: string;
  withheld?: Manifest;
}
/**
 * Not the last frame.
 */
export interface Progress {
  frame: "progress";
  body: (Accepted | SealedTask) | null;
  node: string;
  status: "" | "finished" | "queued" | "running";
  waiting_for?: string;
}
/**
 * A `Task`, sealed to the worker's key.
 */
export interface SealedTask {
  type: "sealed_task";
  id: string;
  sealed: string;
}
/**
 * The last frame, where it didn't.
 */
export interface Refusal {
  frame: "refusal";
  code: "bad_request" | "busy" | "conflict" | "failed" | "forbidden" | "not_found" | "rejected";
  message: string;
  retry_seconds?: number;
}
/**
 * Answered with `Nonce`.
 */
export interface GetNonce {
  type: "get_nonce";
}
/**
 * The worker is to end and can't bring the task to an end before: another is to have it, at once.
 */
export interface HandedBack {
  type: "handed_back";
}
/**
 * An item is new, has outgrown what was reserved for it, or is another device's from now on.
 */
export interface ItemPut {
  type: "item_put";
  item: string;
  reserved: number;
  request: string;
}
export interface ItemRemoved {
  type: "item_removed";
  item: string;
}
/**
 * The members of a JWK (RFC 7517) that Ed25519 keys have.
 */
export interface JsonWebKey {
  kty: string;
  kid: string;
  crv: string;
  x: string;
}
/**
 * A JWKS, and the name of the issuer whose keys they are.
 */
export interface KeySet {
  keys: JsonWebKey[];
  issuer: string;
}
/**
 * Answered with `Items`: those of one kind, in the order of their names; as many as fit into an answer.
 */
export interface ListItems {
  type: "list_items";
  kind: string;
  after: string;
}
/**
 * What became of one computation, or of the validation of one table.
 */
export interface NodeReport {
  node: string;
  name: string;
  kind: string;
  outcome: "failed" | "passed" | "skipped";
  seconds?: number;
  error: string;
  needs: string;
  console: string;
  files: string[];
  validation?: {};
}
/**
 * Opens a vault, which comes to be where it isn't there yet. Answered with `VaultStatus`.
 */
export interface OpenVault {
  type: "open_vault";
  definition: string;
}
/**
 * Publishes a room; the asker must be its owner. Answered with `Done`; asking twice is no error.
 */
export interface PublishRoom {
  type: "publish_room";
  definition: string;
}
/**
 * Asks for one task. Answered with `Accepted`, then with `SealedTask` as soon as there is one.
 *
 *     The response stays open while the task runs: it is the worker's lease. If it breaks, the enclave takes the worker
 *     for lost and the worker takes the task for withdrawn. It ends with `Done` once the report has arrived.
 */
export interface PullTask {
  type: "pull_task";
  evidence: Evidence;
  nonce: string;
  key: string;
  images: ImageReference[];
  only_room: string | null;
  limits?: Limits;
}
/**
 * Puts an item into the vault. Answered with `Done`.
 *
 *     A request that is delivered again, ever so late, changes nothing: it creates what isn't there, once, or replaces
 *     the very revision that it names.
 */
export interface PutItem {
  type: "put_item";
  item: string;
  value: string;
  request: string;
  replaces: string | null;
  blob: string | null;
}
/**
 * Puts items into the vault that belong together, all of them or none. Answered with `Done`.
 */
export interface PutItems {
  type: "put_items";
  /**
   * @minItems 1
   * @maxItems 16
   */
  items: PutItem[];
}
/**
 * Answered with `Items`: the one item.
 */
export interface ReadItem {
  type: "read_item";
  item: string;
}
/**
 * Answered with `Log`. Reading is an event itself; the end of the log holds it too.
 */
export interface ReadLog {
  type: "read_log";
  start: number;
}
/**
 * Answered with `RoomStatus`.
 */
export interface ReadStatus {
  type: "read_status";
  after?: number;
}
/**
 * What the enclave vouches for. Names ciphertext digests only: a receipt can be shared without helping anyone
 *     to guess the data.
 */
export interface ReceiptBody {
  room: string;
  node: string;
  definition: string;
  run: string;
  inputs: Input[];
  image: string;
  image_measurement: string;
  enclave: Attested;
  worker: Attested;
  log_index: number;
  checkpoint: string;
  finished: number;
}
/**
 * Answered with `Done`.
 */
export interface RemoveDataset {
  type: "remove_dataset";
  node: string;
  request: string;
}
/**
 * Answered with `Done`, also where the item is not there.
 */
export interface RemoveItem {
  type: "remove_item";
  item: string;
  revision: string;
}
/**
 * What became of a task.
 */
export interface Report {
  version: 1;
  outcome: Finished | Failed | Resolved | Unable | HandedBack;
}
/**
 * Of a task that is to ``resolve``.
 */
export interface Resolved {
  type: "resolved";
  /**
   * @maxItems 1000
   */
  lock: LockedPackage[];
}
/**
 * The worker, not the script, is at fault: the task may be given to another.
 */
export interface Unable {
  type: "unable";
  message: string;
}
/**
 * What is sealed and, but for workers, `Describe` and `ResolveEnvironment`, signed by a device key.
 */
export interface Request {
  version: 1;
  body:
    | Describe
    | ResolveEnvironment
    | PublishRoom
    | RetrieveRoom
    | ReadStatus
    | AttachDataset
    | RemoveDataset
    | FetchDataset
    | RunComputation
    | AwaitJob
    | CancelJob
    | FetchResult
    | ReadLog
    | StopRoom
    | UnbindKey
    | OpenVault
    | PutItem
    | PutItems
    | ReadItem
    | ListItems
    | RemoveItem
    | AdmitDevice
    | DismissDevice
    | GetNonce
    | PullTask;
  room: string | null;
  user: string | null;
  token: string | null;
  seen: number;
}
/**
 * Asks which Python packages fit, for a room that is to be published. Answered with `ResolvedEnvironment`.
 */
export interface ResolveEnvironment {
  type: "resolve_environment";
  image: ImageReference;
  requirements: string;
}
/**
 * Answered with `RoomContent`.
 */
export interface RetrieveRoom {
  type: "retrieve_room";
}
/**
 * Starts what has to be computed. Answered with `Done` once all of it is planned and queued.
 */
export interface RunComputation {
  type: "run_computation";
  node: string;
  job: string;
  lost?: string;
}
/**
 * Answered with `Done`.
 */
export interface StopRoom {
  type: "stop_room";
}
/**
 * Ends one of the asker's own device keys in the room, for good, also before it was ever bound. Answered with
 *     `Done`.
 */
export interface UnbindKey {
  type: "unbind_key";
  key: string;
}
/**
 * What the hub knows of a room that invites the caller.
 */
export interface RoomEntry {
  id: string;
  created_at: string;
  owner: string;
}
/**
 * What became of a whole room, tested with the data that its author gave. `str` of it is for people.
 */
export interface RoomReport {
  version: 1;
  title: string;
  digest: string;
  images: ImageReference[];
  locks: {
    /**
     * @maxItems 1000
     */
    [k: string]: LockedPackage[];
  };
  nodes: NodeReport[];
  empty: string[];
}
/**
 * What the program says about itself.
 */
export interface SoftwareDocument {
  version: 1;
  report_data: string;
  measurement: string;
}
/**
 * in-toto Statement v1.
 */
export interface Statement {
  _type: "https://in-toto.io/Statement/v1";
  subject: Descriptor[];
  predicateType: "urn:cloister:receipt:v1";
  predicate: ReceiptBody;
}
/**
 * What has arrived of a blob.
 */
export interface StoredBlob {
  complete: boolean;
  parts: StoredPart[];
}
/**
 * A part that has arrived whole.
 */
export interface StoredPart {
  index: number;
  size: number;
  sha256: string;
}
/**
 * All that a worker learns: one computation, its inputs and keys, and the key for its result.
 */
export interface Task {
  version: 1;
  id: string;
  room: string;
  kind: "program" | "python" | "python_environment" | "r" | "resolve";
  name: string;
  script: string;
  files: TextFile[];
  inputs: TaskInput[];
  image: ImageReference;
  limits: Limits;
  logs_on_error: boolean;
  logs_on_success: boolean;
  result: string;
  result_key: string;
  report_key: string;
  environment?: TaskEnvironment;
  withheld?: TaskResult;
}
/**
 * One dependency: a dataset or a result, and where the script finds it.
 */
export interface TaskInput {
  mount: string;
  kind: "file" | "table" | "zip";
  manifest: Manifest;
  key: string;
}
/**
 * Python packages: to be installed, or found by a script.
 */
export interface TaskEnvironment {
  requirements: string;
  /**
   * @maxItems 1000
   */
  lock: LockedPackage[];
  limits: Limits;
}
/**
 * Where to store something, and under which key.
 */
export interface TaskResult {
  blob: string;
  key: string;
}
/**
 * What makes a vault this vault. Its SHA-256 is the vault's id: with other issuers it is another one.
 */
export interface VaultDefinition {
  version: 1;
  nonce: string;
  user: string;
  issuers: Issuer[];
}
/**
 * One entry of a vault's log. Its canonical JSON is the leaf of the Merkle tree.
 */
export interface VaultEvent {
  version: 1;
  time: number;
  device: string | null;
  body: VaultOpened | DeviceBound | DeviceAdmitted | DeviceDismissed | ItemPut | ItemRemoved | Restored;
}
/**
 * The vault came to be. Always the first event, and only that.
 */
export interface VaultOpened {
  type: "vault_opened";
  definition: VaultDefinition;
}
