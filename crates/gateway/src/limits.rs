//! Every size, count and wait of the gateway, with its reason. What both ends of a link must know
//! is in [`crosstalk::limits`].

use std::time::Duration;

// ----- Addresses -----

/// How many times as much as one address (an IPv6 /64 counts as one) all of an IPv6 /48 may have
/// together, of everything here that is counted by address. A university or a mobile network, where each
/// phone has a /64, finds more room than behind one address of IPv4; whoever rents a /48 to have 65,536
/// addresses does not have all there is.
pub const LARGE_NETWORK: usize = 8;

// ----- Connections -----

/// How many connections may be open that are not links. Each costs about 16 KiB here and the
/// socket's buffers in the system; beyond it the next visitor waits in the system's own queue.
pub const MAX_CONNECTIONS: usize = 16 * 1024;

/// How many of those may come from one address (an IPv6 /64 counts as one). A browser opens six
/// for each site; many people behind one address of a mobile network still find room. Does not
/// count for this computer itself, nor behind a proxy, where all connections are the proxy's.
pub const CONNECTIONS_PER_ADDRESS: usize = 256;

/// How long the head of a request may take, from the moment it can begin. On a connection that is
/// kept open this is also how long it may idle: one timer counts both.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take no byte although bytes wait. A laptop that changes networks
/// comes back within this time; a visitor who stalls on purpose holds memory no longer.
pub const WRITE_STALL: Duration = Duration::from_secs(60);

/// How much may lie in the system's buffer without having been sent. Small, so that "delivered" is
/// near to what the visitor has and a stalled visitor holds little memory; large enough that a
/// fast line never runs dry between two turns of the task.
pub const UNSENT_BYTES: u32 = 128 * 1024;

/// How much of a connection's outgoing data is collected before it is written.
pub const WRITE_BUFFER: usize = 128 * 1024;

/// How long to wait after the system could not give us a connection (no file descriptors left),
/// instead of asking again at once for ever.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// ----- Transactions -----

/// How many transactions one visitor's address (an IPv6 /64 counts as one) may have under way.
/// Half of what a link carries, so that one visitor alone cannot fill it, and far below the bursts
/// of aborts that end reversed HTTP/2. What waits or is on its way in relay sessions counts, too. Does
/// not count for this computer itself.
pub const TRANSACTIONS_PER_ADDRESS: usize = 128;

/// How long a visitor waits for room on a link before the answer is "busy".
pub const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// How many visitors of one identity may wait for room at once; the next one is told "busy" at
/// once. As many as one link carries: a queue that empties in about one turn.
pub const MAX_WAITING: usize = 256;

/// How long the peer may take to begin its answer; while it still takes an upload, it begins anew.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a peer may send nothing in the middle of a body. Event streams say something every
/// half a minute or so; a peer that is gone is noticed by the link long before.
pub const RESPONSE_IDLE: Duration = Duration::from_secs(600);

/// How long the mere end of a body may take once its last byte has come.
pub const BODY_END_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a visitor may send nothing in the middle of an upload.
pub const REQUEST_IDLE: Duration = Duration::from_secs(30);

/// How much of an upload that nobody wants is read and thrown away after its answer, so that the answer
/// is not lost to a visitor who sends everything before looking for it: some films of a telephone.
/// Larger uploads of such visitors are reset, as everywhere.
pub const UNREAD_BYTES: u64 = 64 * 1024 * 1024;

/// How long that may take: [`UNREAD_BYTES`] at 18 Mbit/s.
pub const UNREAD_TIME: Duration = Duration::from_secs(30);

/// How long such a visitor may send nothing. Whoever has read the answer stops, and leaves or waits.
pub const UNREAD_IDLE: Duration = Duration::from_secs(5);

/// How long a WebSocket may carry nothing in either direction.
pub const TUNNEL_IDLE: Duration = Duration::from_secs(600);

/// After how long a page about a peer that is away or busy asks to be loaded again, in seconds.
pub const RETRY_SECONDS: u64 = 10;

// ----- Links -----

/// How many links one identity may have for the same names. A peer needs one by HTTP/2 or four by
/// HTTP/1.1, and as many again while it changes networks. The oldest gives way to the newest.
pub const LINKS_PER_PEER: usize = 8;

/// The same for links that carry one transaction at a time, as reversed HTTP/1.1 does: each visitor
/// who is slow holds one, and the peer dials more as they fill up.
pub const SINGLE_LINKS_PER_PEER: usize = 64;

/// How many links the gateway holds in all.
pub const MAX_LINKS: usize = 20_000;

/// How many of those may come from one address (an IPv6 /64 counts as one), since identities cost
/// nothing: a large household or a school finds room, and nobody alone takes them all. Does not
/// count for this computer itself.
pub const LINKS_PER_ADDRESS: usize = 256;

/// How many connections to the port for Petrichor may not be links (yet): who has not said hello, and
/// who asks the gateway something. Beyond it the next one waits in the system's own queue.
pub const MAX_GREETINGS: usize = 1024;

/// How long TLS and the hello may take on that port.
pub const GREETING: Duration = Duration::from_secs(20);

/// How long a connection on which the gateway itself is asked may last: a peer asks for its names,
/// one after the other, and leaves.
pub const QUESTIONS: Duration = Duration::from_secs(60);

/// How long the last answer on it may take after that.
pub const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// How long a peer may take to switch to the link after the gateway agreed to.
pub const LINK_START: Duration = Duration::from_secs(10);

/// How long visitors of a peer that was here a moment ago wait for it to come back. Peers by HTTP/1.1
/// dial again after each visitor who left in the middle, some after every one.
pub const COMEBACK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a link that gave way to a newer one may finish what it carries.
pub const DRAIN_GRACE: Duration = Duration::from_secs(600);

// ----- XMPP -----

/// How many links one account may have over XMPP: a program for each folder that it publishes, and as
/// many again while they change networks.
pub const LINKS_PER_ACCOUNT: usize = 32;

/// How many links all accounts of one server may have, since accounts cost nothing on many servers. All
/// links over XMPP share one session, so a server's share is less than a network's elsewhere.
pub const LINKS_PER_SERVER: usize = 1024;

/// How many who knock at the gateway's account are heard at once, those who only ask among them. Those
/// beyond are told to come back later.
pub const MAX_KNOCKS: usize = 256;

/// How many rounds of questions one account may have open at the same time: a program asks one for its
/// names and one for each answer to a visitor, and ends each at once.
pub const QUESTIONS_PER_ACCOUNT: usize = 16;

/// The same for all accounts of one server: half of [`MAX_KNOCKS`], so that no server takes all.
pub const QUESTIONS_PER_SERVER: usize = MAX_KNOCKS / 2;

/// How many times one account may say hello in a row, and how long one of them takes to be allowed
/// again. A peer says it once for its link and once for each round of questions.
pub const HELLO_BURST: u32 = 64;
/// See [`HELLO_BURST`].
pub const HELLO_PACE: Duration = Duration::from_secs(1);

/// The same for all accounts of one server, which all come back when it starts again.
pub const SERVER_HELLO_BURST: u32 = 2048;
/// See [`SERVER_HELLO_BURST`].
pub const SERVER_HELLO_PACE: Duration = Duration::from_millis(50);

/// How many accounts (and servers) are remembered for that; when so many come at once, new ones wait.
pub const MAX_PACED: usize = 20_000;

/// How long the gateway's account may take to log in; a slow server gets as long as a peer gives it.
pub const XMPP_LOGIN: Duration = Duration::from_secs(60);

/// After how long a session was a good one: the next login after its end comes at once.
pub const XMPP_GOOD_AFTER: Duration = Duration::from_secs(60);

/// How long to wait before the first new login; it doubles.
pub const XMPP_FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long these waits become.
pub const XMPP_LAST_WAIT: Duration = Duration::from_secs(60);

/// How long to wait when the server refuses the account itself: long enough that no server locks it
/// for trying, and a password that was set right there works without a restart here.
pub const XMPP_REFUSED_PAUSE: Duration = Duration::from_secs(15 * 60);

/// How long questions may take over XMPP: as [`QUESTIONS`], at a server that lets 10 KB a second
/// through.
pub const XMPP_QUESTIONS: Duration = Duration::from_secs(3 * 60);

/// How long a no, or the beginning of a link, may take to be written.
pub const XMPP_DENIAL: Duration = Duration::from_secs(10);
/// See [`XMPP_DENIAL`]; a server that lets 10 KB a second through takes its time.
pub const XMPP_LINK_START: Duration = Duration::from_secs(30);

/// How long an answer about the roster's contacts holds.
pub const ROSTER_FRESH: Duration = Duration::from_secs(5);

/// How long the server may take for that answer.
pub const ROSTER_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest file with accounts or codes that is read: some 30,000 lines.
pub const MAX_LIST_BYTES: u64 = 1024 * 1024;

/// How long reading it may take before the one from before is used.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest code of an invitation. Shorter ones could be guessed, at the pace of
/// [`SERVER_HELLO_PACE`] and from many servers.
pub const MIN_INVITE: usize = 8;

// ----- Receipts -----

/// How often receipts are sent while there is something to tell: four times a second looks live,
/// and is nothing next to the transfer itself.
pub const RECEIPT_EVERY: Duration = Duration::from_millis(250);

/// How long the peer may take to answer a batch of receipts before it counts as not sent.
pub const RECEIPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of the answer to a batch is read; it needs no body at all.
pub const RECEIPT_ANSWER: usize = 4 * 1024;

/// How many final receipts of one link wait while it is too slow for them; those beyond are
/// counted as missed.
pub const MAX_FINAL_RECEIPTS: usize = 4096;

/// How many receipts go into one batch (about 80 bytes each).
pub const RECEIPTS_PER_BATCH: usize = 512;

// ----- Members -----

/// How many visitors and programs may be connected by TAXI at once, to write to owners. Each is a
/// connection that is kept open, about as large as a waiting visitor.
pub const MAX_MEMBERS: usize = 4096;

/// How many of those may be at one site. A group message goes to all of them in one turn. Beyond it, of
/// those who are not known to be invited, the network that has the most gives way to those that have less.
pub const MEMBERS_PER_SITE: usize = 256;

/// How many of those may come from one address (an IPv6 /64 counts as one): the tabs of a family.
/// Does not count for this computer itself.
pub const MEMBERS_PER_ADDRESS: usize = 16;

/// How many programs of one identity may be members at once.
pub const MEMBERS_PER_IDENTITY: usize = 8;

/// How many messages may wait for one member. Who writes to people writes few; a member whose
/// connection takes none misses the next, and the sender hears that.
pub const MEMBER_QUEUE: usize = 16;

/// How many messages a visitor may send in a row, and how long one of them takes to be allowed
/// again: enough for somebody who writes in short lines, hopeless for a flood. The peer has limits
/// of its own, over all visitors.
pub const VISITOR_BURST: u32 = 8;
/// See [`VISITOR_BURST`].
pub const VISITOR_PACE: Duration = Duration::from_secs(5);

/// The same for programs of identities, whose proofs say who they are.
pub const IDENTITY_BURST: u32 = 64;
/// See [`IDENTITY_BURST`].
pub const IDENTITY_PACE: Duration = Duration::from_millis(250);

/// How long the peer may take to say whether it takes a visitor's message. It needs no disk for it.
pub const MEMBER_ANSWER: Duration = Duration::from_secs(15);

/// The longest sentence of a peer that a visitor is told, in bytes.
pub const MEMBER_SENTENCE: usize = 512;

/// How long a member may send and get nothing. An owner may answer in half an hour, while the page
/// is still open; later the answer waits at the peer until the visitor comes back.
pub const MEMBER_IDLE: Duration = Duration::from_secs(60 * 60);

/// How often a member is asked whether it is still there; one that did not answer by the next time
/// is gone. Proxies cut what is idle for 60 s.
pub const MEMBER_PING: Duration = Duration::from_secs(25);

/// How long a member's connection may take none of a message.
pub const MEMBER_WRITE: Duration = Duration::from_secs(10);

/// How long the body of a message by `POST` may take.
pub const TELL_TIMEOUT: Duration = Duration::from_secs(10);

// ----- Relay sessions (cama) -----

/// How many relay sessions there may be at once. Each costs less than 1 KiB while nobody waits in it.
pub const MAX_SESSIONS: usize = 20_000;

/// How many of those one identity may have: a hand-over is one session, and scripts that talk need a
/// few.
pub const SESSIONS_PER_OWNER: usize = 256;

/// How many of those may have been allocated from one address (an IPv6 /64 counts as one). Does not
/// count for this computer itself.
pub const SESSIONS_PER_ADDRESS: usize = 512;

/// How many sessions in which nobody waits give way at once when there is room for no more: so many that
/// finding them, which looks at all, costs each new one little.
pub const SESSIONS_GIVING_WAY: usize = MAX_SESSIONS / 100;

/// For how long nobody looks again after there was nothing to give way, for anybody who has as many.
pub const SESSIONS_LOOK: Duration = Duration::from_secs(1);

/// How long a session lasts in which nobody waits, unless it was allocated with another time; and the
/// shortest and longest such times. Half a minute is the least in which two programs find each other.
pub const SESSION_IDLE: Duration = Duration::from_secs(3600);
/// See [`SESSION_IDLE`].
pub const SESSION_SHORTEST: Duration = Duration::from_secs(30);
/// See [`SESSION_IDLE`]. No session gets older than this either, whatever is under way in it.
pub const SESSION_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How often sessions are looked for whose time is over. Requests never meet those; it is for the
/// memory.
pub const SESSION_SWEEP: Duration = Duration::from_secs(30);

/// How long a request of a session waits for its counterpart, at most and unless it asks for less:
/// longer than any proxy lets it, so that the proxy's patience is what counts.
pub const RELAY_WAIT: Duration = Duration::from_secs(300);

/// How often the receiver's socket is looked at during a transfer, to know how much it has for
/// certain. One look takes the system about ten microseconds.
pub const RELAY_LOOK: Duration = Duration::from_millis(10);

/// How many receivers are looked at as often as that. With more of them, each is looked at less often,
/// so that looking never takes more than a few hundredths of a processor: the figure of a body that is
/// cut is then lower.
pub const RELAY_LOOKED_AT: u32 = 16;

/// How long a receiver that has acknowledged everything may take to show that it has read it, by its
/// next request or the end of its connection, before the sender is told. Programs do one of the two at
/// once; the others keep the sender waiting for no longer than this.
pub const RELAY_SETTLE: Duration = Duration::from_millis(250);

/// How long a receiver may acknowledge and read nothing more while its own system, or ours, still holds
/// something for it. A disk or a line that is busy with something else moves on within this time.
pub const RELAY_SETTLE_LONGEST: Duration = Duration::from_secs(30);

/// How many answers of one identity's peer may be counted by what visitors' programs read, at once; of
/// those beyond, what the visitors' connections take counts. Each has a second handle of its connection
/// and is looked at as relayed bodies are, so many make the figures of all coarser. An owner hands one
/// thing to one visitor at a time, and has few of them under way. They are none of the identity's sessions:
/// those are many because they wait, and a script's shall make no hand-over less true.
pub const HAND_OVERS_PER_OWNER: usize = 64;

// ----- Names -----

/// How many names one identity may have, those that rest included. One for each site.
pub const NAMES_PER_IDENTITY: i64 = 100;

/// How many names the gateway holds; they are all kept in memory, about 200 bytes each.
pub const MAX_NAMES: i64 = 200_000;

/// How long a name rests after its release before somebody else may have it, so that old links and
/// service workers in visitors' browsers do not meet a stranger's site.
pub const NAME_REST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many used proofs are remembered until they expire (within two minutes).
pub const MAX_USED_PROOFS: i64 = 100_000;

/// How many of those may have come from one address (an IPv6 /64 counts as one), since anybody can make
/// proofs as fast as a computer signs: a program that shows one with each of its requests may make twenty a
/// second, or hundreds of peers behind one address come back at the same moment, and a few networks that
/// show as many as they may keep nobody else out. Does not count for this computer itself.
pub const PROOFS_PER_ADDRESS: usize = 2000;

/// The same for the questions of one account over XMPP, whose rounds may have any number of them: five
/// programs that each claim all the names they may have ([`NAMES_PER_IDENTITY`]).
pub const PROOFS_PER_ACCOUNT: usize = 500;

/// The same for all accounts of one server, since accounts cost nothing on many servers: as many as come
/// back in a row when it starts again ([`SERVER_HELLO_BURST`]), with four names each.
pub const PROOFS_PER_SERVER: usize = 8000;

/// How many questions to the names' owner may wait.
pub const NAMES_QUEUE: usize = 256;

/// How long an answer of the names' owner may take: a disk that is slower has failed.
pub const NAMES_TIMEOUT: Duration = Duration::from_secs(10);

// ----- Counterparts of 2008 -----

/// How long logging in for them may take.
pub const CLASSIC_LOGIN: Duration = Duration::from_secs(60);

/// How long to wait before the first new try, and before a link that ended is begun anew.
pub const CLASSIC_FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
pub const CLASSIC_LAST_WAIT: Duration = Duration::from_secs(60);

// ----- Stopping -----

/// How long visitors' transactions may go on after the gateway was told to stop.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

/// How long the last receipts may take after that, and how long the links may take to close.
pub const LINK_GRACE: Duration = Duration::from_secs(3);
