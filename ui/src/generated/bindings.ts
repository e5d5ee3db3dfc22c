// Made from crates/desktop by `cargo test -p desktop export_bindings`. Do not edit.

/**
 * The owner's XMPP account.
 */
export type Account = {
/**
 * Its address.
 */
jid: string,
/**
 * Where its server is, when DNS does not say.
 */
server: string | null,
/**
 * Whether its password is known; if not, the owner has to type it again.
 */
hasPassword: boolean, };

/**
 * A try whether an XMPP account works.
 */
export type AccountTest = {
/**
 * The account.
 */
jid: string,
/**
 * The gateway that is looked for, if any.
 */
gateway: string | null,
/**
 * How it goes.
 */
state: TestState, };

/**
 * What is wrong with an account or the gateway behind it; see [`peer::AccountStep`].
 */
export type AccountTrouble = "noServer" | "unreachable" | "notXmpp" | "noEncryption" | "certificate" | "password" | "gatewayAway" | "notAGateway" | "notAdmitted" | "other";

/**
 * The link to the gateway.
 */
export type Connection = { "type": "connected",
/**
 * How, for the curious.
 */
how: Wire,
/**
 * Since when, milliseconds since 1970.
 */
since: number,
/**
 * Why it is none of the better wires, the best first.
 */
missed: Array<MissedWire>,
/**
 * How fast it is, where something in between may be slower than the network and it was
 * measured.
 */
pace: Pace | null, } | { "type": "connecting" } | { "type": "lost",
/**
 * What is the matter and what to do about it.
 */
sentence: string,
/**
 * When the next try begins, milliseconds since 1970; `null` when the owner must act.
 */
retryAt: number | null, };

/**
 * What cut a transfer.
 */
export type Cut = "connection" | "file" | "owner" | "unconfirmed" | "visitor";

/**
 * What goes where.
 */
export type Direction = { "type": "ask",
/**
 * The folder, as the system writes it, made printable.
 */
folder: string,
/**
 * The most bytes of one file.
 */
largest: number,
/**
 * How many files may still come.
 */
filesLeft: number, } | { "type": "send",
/**
 * What the visitor saves, printable.
 */
name: string,
/**
 * How many bytes that has.
 */
size: number,
/**
 * How many files are in it.
 */
files: number, };

/**
 * What the owner is about to hand over, before there is a link.
 */
export type Draft = { "type": "ask",
/**
 * The folder, as the system writes it, made printable.
 */
folder: string, } | { "type": "send",
/**
 * The files; at most 50, the rest is counted in `more`.
 */
files: Array<DraftFile>,
/**
 * How many files there are beyond those in `files`.
 */
more: number,
/**
 * How many bytes all of them have.
 */
size: number, };

/**
 * A file that is about to be sent.
 */
export type DraftFile = {
/**
 * Its name, printable.
 */
name: string,
/**
 * How many bytes it has.
 */
size: number, };

/**
 * Which gateway is used.
 */
export type Gateway = { "type": "embedded",
/**
 * Its address, once it listens.
 */
address: string | null, } | { "type": "remote",
/**
 * Its address.
 */
address: string, };

/**
 * Something that is handed over: files to one visitor, or from visitors into a folder.
 */
export type HandOver = {
/**
 * Names it in requests.
 */
id: string,
/**
 * What goes where.
 */
direction: Direction,
/**
 * What the owner wrote to the visitor, printable, with line breaks.
 */
note: string,
/**
 * Whether only the first person may whom the owner allows.
 */
askFirst: boolean,
/**
 * The link; `null` until the gateway confirmed the name, and when it is done.
 */
url: string | null,
/**
 * The link as a QR code.
 */
qr: QrCode | null,
/**
 * Why it cannot be had at the moment.
 */
trouble: string | null,
/**
 * How far it is.
 */
stage: Stage,
/**
 * What is on its way now.
 */
passing: Array<Passing>,
/**
 * Who asks whether they may, in the order in which they came.
 */
knocks: Array<Knock>,
/**
 * What arrived, newest first; at most 20, the rest is counted in `more_received`.
 */
received: Array<Received>,
/**
 * How many files arrived beyond those in `received`.
 */
moreReceived: number,
/**
 * When it was made, milliseconds since 1970.
 */
since: number, };

/**
 * Who publishes.
 */
export type Identity = {
/**
 * The display name.
 */
name: string,
/**
 * The public key, shortened for people: `m3Xk 9aPq 7b_Z c-4d`.
 */
fingerprint: string,
/**
 * Where the private key is: in words, `the keychain of this computer`.
 */
keptIn: string, };

/**
 * Why there is no key yet.
 */
export type KeyTrouble = "fileLocked" | "keychainLocked" | "noKeychain";

/**
 * Somebody who asks whether they may.
 */
export type Knock = {
/**
 * Names the question in requests.
 */
id: string,
/**
 * The visitor: address and, as far as it can be told, the browser.
 */
who: string,
/**
 * When they asked, milliseconds since 1970.
 */
at: number, };

/**
 * A language that the app speaks.
 */
export type Language = "en" | "de";

/**
 * A wire that did not work.
 */
export type MissedWire = {
/**
 * Which.
 */
wire: Wire,
/**
 * What was in the way.
 */
obstacle: Obstacle,
/**
 * When it was tried, milliseconds since 1970.
 */
at: number, };

/**
 * What a visitor wrote to the owner.
 */
export type Note = {
/**
 * Names the note in requests.
 */
id: string,
/**
 * The text, printable, with line breaks. Text of a stranger.
 */
text: string,
/**
 * The visitor: address and, as far as it can be told, the browser.
 */
who: string,
/**
 * When it came, milliseconds since 1970.
 */
at: number,
/**
 * Whether the owner has seen it.
 */
seen: boolean,
/**
 * Whether it can be answered.
 */
answerable: boolean,
/**
 * The owner's answer.
 */
answer: NoteAnswer | null, };

/**
 * What the owner answered.
 */
export type NoteAnswer = {
/**
 * The text.
 */
text: string,
/**
 * When it was written, milliseconds since 1970.
 */
at: number,
/**
 * Whether the visitor's page has it; if not, it waits until the visitor comes back.
 */
arrived: boolean, };

/**
 * The kinds of notifications, each with a switch of its own.
 */
export type NotificationKind = "connection" | "firstVisitor" | "handOver" | "knock" | "note" | "transferFinished";

/**
 * What is in the way of a wire; see [`peer::Obstacle`].
 */
export type Obstacle = { "type": "blocked" } | { "type": "cut" } | { "type": "noAnswer" } | { "type": "refused",
/**
 * In its words.
 */
sentence: string, } | { "type": "silent" };

/**
 * How fast a way is, for somebody who waits for a photo.
 */
export type Pace = {
/**
 * Bytes a second.
 */
rate: number,
/**
 * How many seconds a photo of 1 MB takes.
 */
photo: number,
/**
 * Whether it is so slow that the owner wants to know before giving links away.
 */
slow: boolean, };

/**
 * A file on its way to or from a visitor.
 */
export type Passing = {
/**
 * The file, printable. From a visitor it is text of a stranger.
 */
file: string,
/**
 * The visitor: address and, as far as it can be told, the browser.
 */
who: string,
/**
 * How many bytes the file has, if that is known.
 */
size: number | null,
/**
 * How many bytes arrived, counted from the file's beginning.
 */
arrived: number,
/**
 * Bytes a second, over the last seconds.
 */
rate: number,
/**
 * Seconds that are left at that rate; `null` when nobody can say.
 */
secondsLeft: number | null,
/**
 * When it began, milliseconds since 1970.
 */
since: number, };

/**
 * What opens a key file or an account: never printed, wiped when dropped.
 */
export type Passphrase = string;

/**
 * Where passwords are kept: where the private key is.
 */
export type PasswordsIn = "file" | "keychain";

/**
 * How far the app is.
 */
export type Phase = { "type": "failed",
/**
 * What is the matter and what to do about it.
 */
sentence: string, } | { "type": "needsKey",
/**
 * What is the matter.
 */
trouble: KeyTrouble,
/**
 * The same in a sentence.
 */
sentence: string, } | { "type": "ready" } | { "type": "starting" };

/**
 * Something that went wrong, for a person and for a program.
 */
export type Problem = {
/**
 * What a program decides on.
 */
code: ProblemCode,
/**
 * What happened and what can be done about it.
 */
sentence: string, };

/**
 * What kind of problem.
 */
export type ProblemCode = "accountFailed" | "alreadyPublished" | "badAccount" | "badGateway" | "badName" | "badPassword" | "badServer" | "damagedFile" | "filesUnusable" | "folderUnusable" | "internal" | "notReady" | "passphrase" | "portChanged" | "unknown";

/**
 * A QR code to draw.
 */
export type QrCode = {
/**
 * Modules on each side, with the quiet zone.
 */
size: number,
/**
 * The dark modules as an SVG path in a box of `size` by `size`.
 */
path: string, };

/**
 * A file that arrived.
 */
export type Received = {
/**
 * The name that it has in the folder, printable.
 */
file: string,
/**
 * How many bytes it has.
 */
size: number,
/**
 * The visitor: only the address.
 */
who: string,
/**
 * When it came, milliseconds since 1970.
 */
at: number, };

/**
 * A transfer that is over.
 */
export type Record = {
/**
 * Names the record.
 */
id: string,
/**
 * The title of the site at that time.
 */
siteName: string,
/**
 * The file, printable.
 */
file: string,
/**
 * The visitor.
 */
who: string,
/**
 * How many bytes the response had.
 */
size: number,
/**
 * How many bytes the visitor's connection took.
 */
delivered: number,
/**
 * When it began, milliseconds since 1970.
 */
since: number,
/**
 * When it ended, milliseconds since 1970.
 */
until: number,
/**
 * How it ended.
 */
end: RecordEnd, };

/**
 * How a transfer ended.
 */
export type RecordEnd = { "type": "complete" } | { "type": "cut",
/**
 * By whom or what.
 */
by: Cut, };

/**
 * One wish of the owner. Each is answered by nothing or by a [`Problem`](crate::Problem); what
 * changed arrives as a new [`View`](crate::View).
 */
export type Request = { "type": "addFolder",
/**
 * An absolute path, as the system writes it.
 */
path: string, } | { "type": "answerKnock",
/**
 * Which question.
 */
knock: string,
/**
 * They may (`true`), or not.
 */
allow: boolean, } | { "type": "answerNote",
/**
 * Which note.
 */
note: string,
/**
 * 1 to 1000 characters.
 */
text: string, } | { "type": "askForFiles",
/**
 * The most bytes of one file.
 */
largest: number,
/**
 * What visitors read; at most 1000 characters.
 */
note: string,
/**
 * Whether only the first person may whom the owner allows.
 */
askFirst: boolean, } | { "type": "blockWriter",
/**
 * Which note.
 */
note: string, } | { "type": "cancelDraft" } | { "type": "chooseFiles" } | { "type": "chooseFolder" } | { "type": "chooseInbox" } | { "type": "clearHistory" } | { "type": "copyHandOverLink",
/**
 * Which hand-over.
 */
handOver: string, } | { "type": "copyLink",
/**
 * Which site.
 */
site: string, } | { "type": "createKeyFile",
/**
 * What opens the file; at least 8 characters.
 */
passphrase: Passphrase, } | { "type": "dismissProblem" } | { "type": "endHandOver",
/**
 * Which hand-over.
 */
handOver: string, } | { "type": "forgetAccount" } | { "type": "forgetNote",
/**
 * Which note.
 */
note: string, } | { "type": "openHandOver",
/**
 * Which hand-over.
 */
handOver: string, } | { "type": "openHandOverLink",
/**
 * Which hand-over.
 */
handOver: string, } | { "type": "openLink",
/**
 * Which site.
 */
site: string, } | { "type": "openNotes",
/**
 * Which site.
 */
site: string, } | { "type": "pauseAll",
/**
 * Off (`true`) or as before (`false`).
 */
paused: boolean, } | { "type": "prepareAsk" } | { "type": "quit" } | { "type": "removeFinished" } | { "type": "removeSite",
/**
 * Which site.
 */
site: string, } | { "type": "renameIdentity",
/**
 * 1 to 60 characters.
 */
name: string, } | { "type": "renameSite",
/**
 * Which site.
 */
site: string,
/**
 * 1 to 60 characters.
 */
name: string, } | { "type": "retry" } | { "type": "seeHandOver",
/**
 * Which hand-over.
 */
handOver: string, } | { "type": "seeNotes",
/**
 * Which site.
 */
site: string, } | { "type": "sendFiles",
/**
 * What the visitor reads; at most 1000 characters.
 */
note: string,
/**
 * Whether only the first person may whom the owner allows.
 */
askFirst: boolean, } | { "type": "setNotification",
/**
 * Which kind.
 */
kind: NotificationKind,
/**
 * On or off.
 */
on: boolean, } | { "type": "setHiddenFiles",
/**
 * Which site.
 */
site: string,
/**
 * Served (`true`) or as if they were not there.
 */
shown: boolean, } | { "type": "setSiteOn",
/**
 * Which site.
 */
site: string,
/**
 * On or off.
 */
on: boolean, } | { "type": "setStartAtLogin",
/**
 * On or off.
 */
on: boolean, } | { "type": "setTakesNotes",
/**
 * Which site.
 */
site: string,
/**
 * They may (`true`), or find no place to write.
 */
takes: boolean, } | { "type": "showReceived",
/**
 * By which hand-over.
 */
handOver: string,
/**
 * Which file; `null` shows the folder.
 */
file: string | null, } | { "type": "showWindow" } | { "type": "stopTransfer",
/**
 * Which transfer.
 */
transfer: string, } | { "type": "testAccount",
/**
 * The account.
 */
account: TypedAccount,
/**
 * The gateway's address as pasted, which may hold an invitation.
 */
gateway: string | null, } | { "type": "unblockWriters",
/**
 * Which site.
 */
site: string, } | { "type": "unlockKeyFile",
/**
 * What opens the file.
 */
passphrase: Passphrase, } | { "type": "useGateway",
/**
 * Its address, as pasted, which may hold an invitation.
 */
address: string | null,
/**
 * The XMPP account by which it is reached, when its address is an XMPP one.
 */
account: TypedAccount | null, };

/**
 * The owner's switches.
 */
export type Settings = {
/**
 * Starts with the computer, hidden.
 */
startAtLogin: boolean,
/**
 * Tells when the connection is lost or back.
 */
notifyConnection: boolean,
/**
 * Tells of the first visitor to a site.
 */
notifyFirstVisitor: boolean,
/**
 * Tells when files were handed over.
 */
notifyHandOver: boolean,
/**
 * Tells of visitors who ask whether they may.
 */
notifyKnock: boolean,
/**
 * Tells of notes of visitors.
 */
notifyNote: boolean,
/**
 * Tells when a transfer is finished.
 */
notifyTransferFinished: boolean, };

/**
 * One published folder.
 */
export type Site = {
/**
 * Names the site in requests.
 */
id: string,
/**
 * Its title.
 */
name: string,
/**
 * The folder, as the system writes it, made printable.
 */
path: string,
/**
 * Switched on by the owner (whatever `paused` says).
 */
on: boolean,
/**
 * Whether files whose names begin with a dot are served.
 */
hiddenFiles: boolean,
/**
 * The session URL; `null` until the gateway confirmed the name.
 */
url: string | null,
/**
 * The session URL as a QR code.
 */
qr: QrCode | null,
/**
 * Why it cannot be visited although it is on: the folder is gone, the name is taken.
 */
trouble: string | null,
/**
 * How many people (addresses) fetched something since it was added.
 */
visitors: number,
/**
 * How many transfers are under way.
 */
active: number,
/**
 * Whether visitors may write to the owner.
 */
takesNotes: boolean,
/**
 * What visitors wrote, newest first.
 */
notes: Array<Note>,
/**
 * How many of them the owner has not seen.
 */
newNotes: number,
/**
 * How many writers are blocked.
 */
blocked: number, };

/**
 * How far a hand-over is.
 */
export type Stage = { "type": "cut",
/**
 * Which file, printable.
 */
file: string,
/**
 * How many bytes of it arrived, counted from its beginning.
 */
arrived: number,
/**
 * How many it has, if that is known.
 */
size: number | null,
/**
 * When, milliseconds since 1970.
 */
at: number,
/**
 * By whom or what.
 */
by: Cut, } | { "type": "done",
/**
 * When, milliseconds since 1970.
 */
at: number,
/**
 * Whether that is known; otherwise all of it was sent, and the gateway cannot see what arrived.
 */
certain: boolean, } | { "type": "waiting" };

/**
 * How a try goes.
 */
export type TestState = { "type": "running",
/**
 * What is being done.
 */
step: TestStep, } | { "type": "works" } | { "type": "failed",
/**
 * What did not work.
 */
step: TestStep,
/**
 * Why.
 */
trouble: AccountTrouble,
/**
 * The same in a sentence.
 */
sentence: string, };

/**
 * The steps of a try, in their order.
 */
export type TestStep = "server" | "encryption" | "password" | "gateway" | "admission";

/**
 * A file on its way to a visitor.
 */
export type Transfer = {
/**
 * Names the transfer in requests.
 */
id: string,
/**
 * Which site.
 */
site: string,
/**
 * The file, printable. Text that a visitor may have influenced.
 */
file: string,
/**
 * The visitor: address and, as far as it can be told, the browser.
 */
who: string,
/**
 * How many bytes the response has.
 */
size: number,
/**
 * How many bytes the visitor's connection took.
 */
delivered: number,
/**
 * Bytes a second, over the last seconds.
 */
rate: number,
/**
 * Seconds that are left at that rate; `null` when nobody can say.
 */
secondsLeft: number | null,
/**
 * When it began, milliseconds since 1970.
 */
since: number, };

/**
 * An XMPP account, as typed.
 */
export type TypedAccount = {
/**
 * Its address, `name@server.example`.
 */
jid: string,
/**
 * Its password; `null` is the one that is kept.
 */
password: Passphrase | null,
/**
 * Where its server is, `host` or `host:port`, when DNS does not say.
 */
server: string | null, };

/**
 * Everything that the window and the tray show.
 */
export type View = {
/**
 * What the window speaks: the language that all sentences here are in, too.
 */
language: Language,
/**
 * How far the app is.
 */
phase: Phase,
/**
 * The link to the gateway.
 */
connection: Connection,
/**
 * Which gateway is used.
 */
gateway: Gateway,
/**
 * The owner's XMPP account, if there is one.
 */
account: Account | null,
/**
 * The last try whether an XMPP account works, or the one under way.
 */
accountTest: AccountTest | null,
/**
 * Where the password of an account is kept, or would be.
 */
passwordsIn: PasswordsIn,
/**
 * Who publishes; `null` until there is a key.
 */
identity: Identity | null,
/**
 * Everything is switched off for now.
 */
paused: boolean,
/**
 * What is published, in the order in which it was added.
 */
sites: Array<Site>,
/**
 * What is under way, newest first; at most 100, the rest is counted in `more_transfers`.
 */
transfers: Array<Transfer>,
/**
 * How many transfers are under way beyond those in `transfers`.
 */
moreTransfers: number,
/**
 * What is over, newest first; the last 200.
 */
history: Array<Record>,
/**
 * Files that go to one person or come from others, newest first; at most 100.
 */
handOvers: Array<HandOver>,
/**
 * What the owner is about to hand over; until `sendFiles`, `askForFiles` or `cancelDraft`.
 */
draft: Draft | null,
/**
 * The owner's switches.
 */
settings: Settings,
/**
 * What went wrong and stays until it is dismissed or mended.
 */
problem: Problem | null,
/**
 * Something from the file manager is held over the window: let go, and folders are published,
 * files about to be sent.
 */
dropTarget: boolean,
/**
 * The site whose notes the owner wants to see now, because of a click on a notification; until
 * `seeNotes`.
 */
openNotes: string | null,
/**
 * The hand-over that the owner wants to see now, because of a click on a notification; until
 * `seeHandOver`.
 */
openHandOver: string | null, };

/**
 * By which wire the gateway is reached; see [`carriers::Carrier`].
 */
export type Wire = "petrichor" | "poll" | "ptthHttp1" | "ptthHttp2" | "taxi" | "xmpp";
