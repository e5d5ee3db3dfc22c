# Every sentence that the app says outside its window, and what it tells the window of faults. The window's own
# words are in ui/locales.
#
# Each message stands in every language, with the same variables; a test in src/words/tests.rs holds them to that.
# Of a notification, the message is the title and its body what follows. Sentences of others (a gateway, a
# server, the system) come as variables in their own language.

## The menu of the tray

menu-ask-for-files = Ask for a file…
# Visitors wait for an answer of the owner.
menu-asking = { $count ->
        [one] Somebody asks you…
       *[other] { $count } people ask you…
    }
menu-copy-link = Copy link
menu-more-sites = { $count } more…
menu-pause-all = Pause everything
menu-publish-folder = Publish a folder…
menu-quit = Quit
menu-send-files = Send a file…
menu-show-window = Open Veranda
# A site is switched on.
menu-site-on = On

## What the icon of the tray shows, in words

status-connecting = Connecting…
status-failed = Veranda cannot start: open it
status-fetching = Somebody is fetching
status-handing-over = Files are on their way
status-idle = Nothing is published
status-links = { $count ->
        [one] 1 link for files is open
       *[other] { $count } links for files are open
    }
status-needs-key = Veranda needs you: open it
status-offline = No connection
status-paused = Everything is paused
status-published = { $count ->
        [one] 1 folder is published
       *[other] { $count } folders are published
    }
status-starting = Starting…

## The titles of the system's dialogs

dialog-files = Choose files to send
dialog-folder = Choose a folder to publish
dialog-inbox = Choose a folder for the files of others

## Notifications

# What can be done in a notification: its buttons, and the field for an answer.
notice-allow = Allow
notice-answer = Answer
notice-answer-here = Write an answer…
notice-open = Open
notice-refuse = Refuse

notice-connection-lost = Your links do not work now
    .body = The connection to the gateway is lost. Veranda keeps trying.
notice-connection-regained = Your links work again
    .body = The connection to the gateway is back.
# `others` is how many folders beside the last one, which is called `title`.
notice-first-visitors = The first visitor is here
    .body = { $others ->
        [0] Somebody opened “{ $title }” for the first time.
        [one] “{ $title }” and another folder were opened for the first time.
       *[other] “{ $title }” and { $others } other folders were opened for the first time.
    }
notice-file-delivered = A file was delivered
    .body = “{ $file }” ({ $size }) reached { $who }.
notice-files-delivered = { $count } files were delivered
    .body = The last was “{ $file }” ({ $size }), to { $who }.
notice-note = A note about “{ $title }”
    .body =
        { $text }
        – { $who }
notice-notes = { $count } notes of visitors
    .body = The last, about “{ $title }”: { $text }
notice-stays-in-tray = Veranda keeps running
    .body = Your links go on working. You find Veranda in the tray, and Quit in its menu.
notice-waits-for-key = Veranda needs you
    .body = Your links do not work before you open Veranda and let it use its key.

# A visitor asks whether she may fetch what the owner sends, or send what the owner asks for.
notice-may-fetch = May they have “{ $name }”?
    .body = { $who } waits for your answer.
notice-may-send = May they send you files?
    .body = { $who } waits for your answer.
notice-many-ask-to-fetch = { $count } people wait for your answer
    .body = The last of them, { $who }, would like “{ $name }”.
notice-many-ask-to-send = { $count } people wait for your answer
    .body = The last of them, { $who }, would like to send you files.
notice-handed-over = Your file was delivered
    .body = “{ $name }” ({ $size }) arrived completely. The link is closed now.
notice-many-handed-over = { $count } of your files were delivered
    .body = The last was “{ $name }” ({ $size }).
notice-only-sent = Your file was sent
    .body = “{ $name }” ({ $size }) was sent completely; the gateway cannot see whether all of it arrived. The link is closed now.
notice-many-only-sent = { $count } of your files were sent
    .body = The last was “{ $name }” ({ $size }); the gateway cannot see whether all of them arrived completely.
notice-received = A file has arrived
    .body = “{ $file }” ({ $size }) from { $who } is in “{ $folder }”.
notice-many-received = { $count } files have arrived
    .body = The last is “{ $file }” ({ $size }) in “{ $folder }”.

## Visitors and sizes

visitor-here = this computer
visitor-somebody = somebody
browser = a browser
browser-on = a browser on { $system }
program-on = { $name } on { $system }

size-bytes = { $count ->
        [one] 1 byte
       *[other] { $count } bytes
    }
# 1.2 MB
size-tenths = { $whole }.{ $tenth } { $unit }
# 12 MB
size-whole = { $whole } { $unit }

## The key

kept-in-file = an encrypted file beside the settings
kept-in-keychain = the keychain of this computer
# The name of an owner whom the system knows by no name.
first-name = Me

key-damaged = What is kept as your key cannot be read. Put back a good copy and try again.
key-file = The key file { $path } cannot be used: { $why }.
key-file-locked = The key is in an encrypted file. Type its passphrase.
key-gone = The keychain does not have your key any more. If it is only locked, unlock it and try again. A new key can be kept in an encrypted file; folders that are published now then need new links.
key-in-use = The key is there already.
key-keychain-locked = The keychain of this computer did not let Veranda in. Unlock it and try again, or keep a new key in an encrypted file.
key-no-keychain = This computer has no keychain that Veranda could keep its key in. The key can be kept in an encrypted file instead: choose a passphrase for it.
key-short-passphrase = A passphrase has at least 8 characters.
key-wrong-passphrase = That passphrase does not open the key file.

## The owner's XMPP account

account-jid = An XMPP address looks like anna@chat.example.
account-long-password = That is too long for a password.
account-needed = This gateway is reached over a chat account. Type your XMPP address and its password.
account-no-password = Type the password of the account.
account-server = A server looks like xmpp.chat.example or xmpp.chat.example:5222.

password-damaged = What is kept as the password of { $jid } cannot be read. Type it again in the settings, under “Gateway”.
password-gone = The password of { $jid } is not kept any more. Type it again in the settings, under “Gateway”.
password-locked = The keychain of this computer did not let Veranda read the password of { $jid }. Unlock it and try again.
password-not-kept = The password could not be kept. Nothing was changed.
password-not-kept-in = The password could not be kept in { $path }: { $why }.
password-not-kept-locked = The keychain of this computer did not let Veranda keep the password. Unlock it and try again.
password-not-forgotten-in = The password could not be forgotten, because { $path } cannot be deleted: { $why }.
password-not-forgotten-locked = The password could not be forgotten, because the keychain of this computer did not let Veranda in. Unlock it and try again.

login-busy = Your XMPP server is busy. Try again later.
login-certificate = The certificate of your XMPP server is not valid, so somebody else may be answering. Check what stands behind the @ and the clock of this computer.
login-no-mechanism = Your XMPP server offers no way to log in with a password that is safe. Use another server.
login-no-server = The server of your XMPP account is not found. Check what stands behind the @ and the internet connection.
login-no-tls = The server of your XMPP account offers no encrypted connection, so your password is not sent. Use another server.
login-not-xmpp = There is no XMPP at the server of your account. Check what stands behind the @.
login-password = The name or the password of your XMPP account is wrong. Check both.
login-refused = Your XMPP server does not let this account log in. Ask its operator.
login-refused-because = Your XMPP server does not let this account log in: { $words }. Ask its operator.
login-timed-out = The server of your XMPP account does not answer. Check the internet connection.
login-unreachable = The server of your XMPP account cannot be reached. Check the internet connection; a firewall may block XMPP (port 5222).

## The gateway

link-closed = The gateway closed the connection. Veranda connects again.
link-lost = The connection to the gateway was lost. Veranda connects again.
link-server-lost = The connection to your XMPP server was lost. Veranda connects again.
link-silent = The gateway does not answer any more. Veranda connects again.

gateway-certificate = The certificate of { $gateway } is not valid, so somebody else may be answering. Check the address and the clock of this computer.
gateway-ended = The gateway inside the app stopped by surprise, so links do not work. Press “Try again now”.
gateway-has-another-address = The gateway at { $gateway } says that its address is { $address }. Use that one.
gateway-moved = The gateway { $gateway } moved to { $address }. Use that address from now on.
gateway-no-account = The gateway { $gateway } is reached over XMPP, and Veranda knows no XMPP account of yours. Add one.
gateway-no-answer = No gateway answers at { $gateway }: it took too long.
gateway-not-a-gateway = What answers at { $gateway } is not a gateway of Veranda, or something on the way blocks the connection. Check the address.
gateway-not-admitted = The gateway { $gateway } does not admit you: { $words }. Ask its operator, or use another gateway.
gateway-not-its-account = { $gateway } is an account, but not that of a gateway of Veranda. Check the address.
gateway-offline = The gateway { $gateway } is not online, or its server cannot be reached from yours. Check the address, or ask its operator.
gateway-port-changed = Another program uses port { $from }, so Veranda moved to port { $to }. Links that you gave away before have the old one: copy them again.
gateway-proof-refused = The gateway { $gateway } does not believe who you are: { $words }. Is the clock of this computer right?
gateway-refused = The gateway { $gateway } refuses: { $words }
gateway-timed-out = The gateway { $gateway } does not answer. Check the internet connection and the address.
gateway-unreachable = The gateway { $gateway } cannot be reached. Check the internet connection and the address.

address-account = An XMPP account looks like name@server.example.
address-insecure = A gateway on another computer needs https://.
address-port = An address that begins with petrichor+ needs a port, like petrichor+tls://gateway.example:7411.
address-scheme = The address of a gateway begins with https:// (or http:// on this computer).
address-too-much = The address of a gateway ends after its name: nothing after the slash, no password.
address-unreadable = This is not an address; one looks like https://gateway.example.

## Sites

site-folder-gone = The folder is not there any more, or cannot be read.
site-folder-silent = The drive with this folder does not answer now, or too slowly. As soon as it answers, the link works again.
site-name-taken = The gateway gave this link's name to somebody else. Remove the folder here and add it again to get a new link.
site-refused = The gateway refuses it: { $words }
site-already = This folder is published already.
site-too-much = { $path } holds far more than you want to publish. Choose a folder inside it.
site-no-path = That is not a folder of this computer.

folder-cannot-be-published = { $path } cannot be published: { $why }.
folder-cannot-take-files = { $path } cannot take files: { $why }.
# What stands for `why`.
folder-denied = it may not be read
folder-full = the drive is full
folder-not-a-folder = it is not a folder
folder-not-found = it is not there
folder-read-only = it may not be written
folder-silent = the drive does not answer

## Files that are handed over

hand-over-away = What belongs to this link is not there at the moment, cannot be used, or its drive does not answer. Is the drive plugged in? As soon as it is back, the link works again.
hand-over-bad-size = The largest size has to be at least one byte.
hand-over-long-note = A note has at most 1000 characters.
# All links for files share one name at the gateway.
hand-over-name-taken = The gateway gave the name of your links for files to somebody else. End all of them and make new ones.
hand-over-no-file = { $path } is not a file that can be sent.
hand-over-not-shown = { $path } is there, but no file manager of this computer answers to show it.
hand-over-moved = { $path } is not there any more: it was moved, renamed or deleted.
hand-over-nobody-asks = Nobody waits for this answer any more. They can open the link and ask again.
hand-over-not-both = Folders are published and files are sent, so drop either folders or files. Nothing was done.
hand-over-too-many = There are too many links for files already. Remove some of them first.
hand-over-too-many-files = At most 1000 files can be sent together. Put them into a folder and publish that.

# Why a file cannot be sent.
file-count = Choose between 1 and 1000 files.
file-denied = { $path } may not be read.
file-not-a-file = { $path } is not a file.
file-not-found = { $path } is not there.
file-other = { $path } cannot be opened: { $why }.

## What the system says

# What stands for `why`, at the end of a sentence.
cause-denied = Veranda is not allowed to do that
cause-ended = what publishes your folders does not run any more
cause-full = the drive is full
cause-in-use = another Veranda uses the data already; quit that one first
cause-newer = a newer version of Veranda stored the data; use that one
cause-not-found = not found
cause-quoted = the system says “{ $words }”
cause-read-only = the drive can only be read
cause-silent = the drive does not answer

## Other problems

bad-answer = An answer has 1 to 1000 characters.
bad-name = A name has 1 to 60 characters.
damaged-account = The XMPP account in the settings could not be read. Type it again in the settings if you use it; a copy of what was there is { $path }.
damaged-folders = The list of folders could not be read. Veranda began anew and kept what was there as { $path }.
damaged-settings = The settings could not be read. Veranda began anew and kept what was there as { $path }.
ending = Veranda is ending.
engine-ended = What publishes your folders stopped by surprise. Press “Try again”.
gone = That is not there any more.
no-link-yet = The link is not ready yet: the gateway has not confirmed it.
not-kept = That could not be kept: { $why }.
not-kept-perhaps-full = That could not be kept: { $why }. Is the drive full?
not-ready = Veranda is not ready yet: it needs its key first.
settings-not-kept = The change could not be kept in { $file }: { $why }.
settings-unreadable = The settings cannot be read: { $why }. Nothing was changed.
strange-link = The gateway made a link that is no web address.
too-busy = Veranda is still busy with what you asked before.
too-late = That took too long. Please try again.

# What the system did not let Veranda do.
refused-copying = Copying the link did not work: { $why }.
refused-dialog = The dialog did not work: { $why }.
refused-gateway = Starting the gateway did not work: { $why }.
refused-login-start = Starting at login did not work: { $why }.
refused-looking = Looking at it did not work: { $why }.
refused-opening = Opening the browser did not work: { $why }.
refused-starting = Starting did not work: { $why }.
# What stands for `why` when starting took too long.
start-takes-long = the data folder took too long to open
