-- Prosody for the host of a Veranda gateway: fast for the gateway and for those who publish
-- through it, strict for everybody else. For Prosody 0.12 (Debian 12) and later.
--
-- It is a whole configuration: put it at /etc/prosody/prosody.cfg.lua. README.md beside this file
-- says what else is to do. Replace chat.example everywhere; then `prosodyctl check`.

------ Who is not slowed down ------

-- Each line is an account of this server, or the domain of another server, as it logs in.
-- Everybody else has the rates in `limits` below. First the gateway, then those who publish through
-- it: a download goes from their account to the gateway's, so it is theirs that must be fast.
-- Prosody reads this when it starts, or after `prosodyctl shell "config:reload()"` with `prosodyctl
-- shell module reload limits`; a session that is open already keeps the rate it began with.
unlimited_jids = {
	"gateway@chat.example";
	"publisher@chat.example";
	-- "friends.example"; -- a server whose accounts publish through this gateway
}

------ What is switched on ------

modules_enabled = {
	"saslauth"; -- logging in
	"tls";      -- encryption by STARTTLS
	"roster";   -- the gateway's contacts, for `--xmpp-publishers roster`
	"disco";    -- by which gateway and peer see that the other speaks CrossTalk
	"ping";     -- signs of life
	"limits";   -- the rates below
	"blocklist"; -- lets an account refuse somebody for good
	"posix";    -- the pid file and signals
	"admin_shell"; -- `prosodyctl shell`, over a socket that only root and Prosody may open

	-- Left out on purpose:
	-- "register", "invites_register": nobody makes an account here but the operator.
	-- "dialback": another server proves itself by its certificate, not by DNS.
	-- "smacks": keeps dead sessions alive for minutes. Visitors would wait for a peer that is gone,
	--   and the next login would be greeted by all of them.
	-- "carbons", "mam", "csi_simple": copies, archives and delays of messages. CrossTalk sends none.
	-- "proxy65", "http_file_share", "muc": doors that nobody here needs.
}

modules_disabled = {
	"offline"; -- what is sent to the gateway while it is away comes back at once and is not stored
	-- "s2s";  -- with this, only accounts of this server reach the gateway
}

-- Said once more, should somebody switch "register" on.
allow_registration = false

------ Speed ------

network_settings = {
	-- After each read of some KiB Prosody sleeps at least this long, by default a millisecond, which
	-- holds every connection below 2.4 MB/s with an idle processor.
	min_wait = 0;
	-- Small stanzas (requests, acknowledgements) leave at once. With Nagle's algorithm each can wait
	-- 40 ms for the other end's delayed acknowledgement.
	nagle = false;
	-- A line that takes nothing for a minute is dead (the default is three). Until then, what is
	-- meant for it piles up in memory.
	send_timeout = 60;
}

-- Nearly all that Prosody makes here is a stanza that lives for a moment. This collector of memory
-- is made for that, and passes twice as much through in the same time as the usual one.
gc = { mode = "generational" }

------ Limits for everybody else ------

-- Bytes a second and connection, before and after logging in. Not Debian's 10 kB/s: an account of
-- this server that is not listed above can still publish a page, but no film.
limits = {
	c2s = { rate = "100kb/s" };
	-- One connection carries all accounts of another server.
	s2sin = { rate = "300kb/s" };
}

-- The largest stanza, in bytes. The largest that gateway and peer agree on is 96 KiB of a file,
-- which is 128 KiB in base64; heads with all their cookies are at most as large. These are the
-- defaults, written down because CrossTalk depends on them; a larger stanza ends the connection.
c2s_stanza_size_limit = 256 * 1024
s2s_stanza_size_limit = 512 * 1024

-- Who has not logged in yet gets no more than RFC 6120 (13.12) asks for, and half a minute.
c2s_unauthed_stanza_size_limit = 10000
s2s_unauthed_stanza_size_limit = 10000
c2s_timeout = 30
s2s_timeout = 30

------ Encryption and logging in ------

-- No line without TLS. Everything that visitors and owners send passes here in the clear otherwise.
c2s_require_encryption = true
s2s_require_encryption = true
-- Nor a password before it.
allow_unencrypted_plain_auth = false
-- TLS 1.2 and 1.3 with today's ciphers (Mozilla's list); the peers of Veranda speak 1.3.
tls_profile = "intermediate"
-- Another server's certificate must be valid and its own.
s2s_secure_auth = true

-- NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem, found by what is in them. To be
-- filled by `prosodyctl --root cert import` whenever a certificate was renewed (see README.md).
certificates = "/etc/prosody/certs"

-- Passwords are kept as SCRAM keys; a copy of the files does not tell them.
authentication = "internal_hashed"
storage = "internal"

------ Where things are ------

-- All addresses, IPv4 and IPv6; accounts and other servers at the ports that everybody expects.
interfaces = { "*", "::" }
c2s_ports = { 5222 }
-- TLS from the first byte (XEP-0368): two round trips less, and it passes where only TLS does.
c2s_direct_tls_ports = { 5223 }
s2s_ports = { 5269 }

-- Where Debian's package has them, and its service may write.
data_path = "/var/lib/prosody"
pidfile = "/run/prosody/prosody.pid"
-- Not "debug", which writes down who sends something to whom, stanza by stanza.
log = { info = "/var/log/prosody/prosody.log"; error = "/var/log/prosody/prosody.err" }

-- Accounts that may change the server by XMPP: none. The operator has a shell.
admins = { }

-- The domain of the accounts.
VirtualHost "chat.example"
