# Every sentence that the app says outside its window, and what it tells the window of faults. The words are those of
# the window (ui/locales/de.json): du, Ordner, Link, Gateway, Besucher, Schlüsselbund. What en.ftl explains holds here too.

## The menu of the tray

menu-ask-for-files = Um eine Datei bitten …
menu-asking = { $count ->
        [one] Jemand fragt dich …
       *[other] { $count } Leute fragen dich …
    }
menu-copy-link = Link kopieren
menu-more-sites = { $count } weitere …
menu-pause-all = Alles anhalten
menu-publish-folder = Ordner veröffentlichen …
menu-quit = Beenden
menu-send-files = Datei senden …
menu-show-window = Veranda öffnen
menu-site-on = An

## What the icon of the tray shows, in words

status-connecting = Verbindet …
status-failed = Veranda kann nicht starten: bitte öffnen
status-fetching = Gerade holt jemand etwas
status-handing-over = Dateien sind unterwegs
status-idle = Nichts ist veröffentlicht
status-links = { $count ->
        [one] 1 Link für Dateien ist offen
       *[other] { $count } Links für Dateien sind offen
    }
status-needs-key = Veranda braucht dich: bitte öffnen
status-offline = Nicht verbunden
status-paused = Alles ist angehalten
status-published = { $count ->
        [one] 1 Ordner ist veröffentlicht
       *[other] { $count } Ordner sind veröffentlicht
    }
status-starting = Wird gestartet …

## The titles of the system's dialogs

dialog-files = Dateien zum Senden wählen
dialog-folder = Ordner zum Veröffentlichen wählen
dialog-inbox = Ordner für die Dateien anderer wählen

## Notifications

notice-allow = Erlauben
notice-answer = Antworten
notice-answer-here = Antwort schreiben …
notice-open = Öffnen
notice-refuse = Ablehnen

notice-connection-lost = Deine Links funktionieren gerade nicht
    .body = Die Verbindung zum Gateway ist verloren. Veranda versucht es weiter.
notice-connection-regained = Deine Links funktionieren wieder
    .body = Die Verbindung zum Gateway ist wieder da.
notice-first-visitors = Der erste Besucher ist da
    .body = { $others ->
        [0] Jemand hat „{ $title }“ zum ersten Mal geöffnet.
        [one] „{ $title }“ und ein weiterer Ordner wurden zum ersten Mal geöffnet.
       *[other] „{ $title }“ und { $others } weitere Ordner wurden zum ersten Mal geöffnet.
    }
notice-file-delivered = Eine Datei wurde zugestellt
    .body = „{ $file }“ ({ $size }) ist bei { $who } angekommen.
notice-files-delivered = { $count } Dateien wurden zugestellt
    .body = Die letzte war „{ $file }“ ({ $size }), an { $who }.
notice-note = Eine Nachricht zu „{ $title }“
    .body =
        { $text }
        – { $who }
notice-notes = { $count } Nachrichten von Besuchern
    .body = Die letzte, zu „{ $title }“: { $text }
notice-stays-in-tray = Veranda läuft weiter
    .body = Deine Links funktionieren weiter. Du findest Veranda in der Leiste, und „Beenden“ in seinem Menü.
notice-waits-for-key = Veranda braucht dich
    .body = Deine Links funktionieren erst, wenn du Veranda öffnest und es seinen Schlüssel benutzen lässt.

notice-may-fetch = Darf jemand „{ $name }“ haben?
    .body = Auf deine Antwort wartet { $who }.
notice-may-send = Darf dir jemand Dateien schicken?
    .body = Auf deine Antwort wartet { $who }.
notice-many-ask-to-fetch = { $count } Leute warten auf deine Antwort
    .body = Zuletzt hat { $who } nach „{ $name }“ gefragt.
notice-many-ask-to-send = { $count } Leute warten auf deine Antwort
    .body = Zuletzt wollte { $who } dir Dateien schicken.
notice-handed-over = Deine Datei wurde zugestellt
    .body = „{ $name }“ ({ $size }) ist vollständig angekommen. Der Link ist jetzt geschlossen.
notice-many-handed-over = { $count } deiner Dateien wurden zugestellt
    .body = Die letzte war „{ $name }“ ({ $size }).
notice-only-sent = Deine Datei wurde gesendet
    .body = „{ $name }“ ({ $size }) ist vollständig gesendet; ob alles angekommen ist, sieht das Gateway nicht. Der Link ist jetzt geschlossen.
notice-many-only-sent = { $count } deiner Dateien wurden gesendet
    .body = Die letzte war „{ $name }“ ({ $size }); ob alle vollständig angekommen sind, sieht das Gateway nicht.
notice-received = Eine Datei ist angekommen
    .body = „{ $file }“ ({ $size }) von { $who } liegt in „{ $folder }“.
notice-many-received = { $count } Dateien sind angekommen
    .body = Die letzte ist „{ $file }“ ({ $size }) in „{ $folder }“.

## Visitors and sizes

# These also stand behind “An”, “Von” and “bei”, and are not inflected.
visitor-here = jemand an diesem Computer
visitor-somebody = jemand
browser = ein Browser
browser-on = ein Browser, { $system }
program-on = { $name }, { $system }

size-bytes = { $count ->
        [one] 1 Byte
       *[other] { $count } Byte
    }
size-tenths = { $whole },{ $tenth } { $unit }
size-whole = { $whole } { $unit }

## The key

# Behind “Liegt in” in the window.
kept-in-file = einer verschlüsselten Datei neben den Einstellungen
kept-in-keychain = dem Schlüsselbund dieses Computers
first-name = Ich

key-damaged = Was als dein Schlüssel gespeichert ist, lässt sich nicht lesen. Leg eine gute Kopie zurück und versuch es noch einmal.
key-file = Die Schlüsseldatei { $path } lässt sich nicht benutzen: { $why }.
key-file-locked = Der Schlüssel liegt in einer verschlüsselten Datei. Gib ihre Passphrase ein.
key-gone = Dein Schlüssel ist nicht mehr im Schlüsselbund. Ist der nur gesperrt, entsperre ihn und versuch es noch einmal. Ein neuer Schlüssel kann in einer verschlüsselten Datei liegen; Ordner, die jetzt veröffentlicht sind, brauchen dann neue Links.
key-in-use = Der Schlüssel ist schon da.
key-keychain-locked = Der Schlüsselbund dieses Computers hat Veranda nicht hineingelassen. Entsperre ihn und versuch es noch einmal, oder leg einen neuen Schlüssel in einer verschlüsselten Datei ab.
key-no-keychain = Dieser Computer hat keinen Schlüsselbund, in dem der Schlüssel von Veranda liegen könnte. Er kann stattdessen in einer verschlüsselten Datei liegen: Wähl eine Passphrase dafür.
key-short-passphrase = Eine Passphrase hat mindestens 8 Zeichen.
key-wrong-passphrase = Diese Passphrase öffnet die Schlüsseldatei nicht.

## The owner's XMPP account

account-jid = Eine XMPP-Adresse sieht aus wie anna@chat.example.
account-long-password = Das ist zu lang für ein Passwort.
account-needed = Dieses Gateway wird über ein Chat-Konto erreicht. Gib deine XMPP-Adresse und ihr Passwort ein.
account-no-password = Gib das Passwort des Kontos ein.
account-server = Ein Server sieht aus wie xmpp.chat.example oder xmpp.chat.example:5222.

password-damaged = Was als Passwort von { $jid } gespeichert ist, lässt sich nicht lesen. Gib es in den Einstellungen unter „Gateway“ noch einmal ein.
password-gone = Das Passwort von { $jid } ist nicht mehr gespeichert. Gib es in den Einstellungen unter „Gateway“ noch einmal ein.
password-locked = Der Schlüsselbund dieses Computers hat Veranda das Passwort von { $jid } nicht lesen lassen. Entsperre ihn und versuch es noch einmal.
password-not-kept = Das Passwort ließ sich nicht speichern. Nichts wurde geändert.
password-not-kept-in = Das Passwort ließ sich nicht in { $path } speichern: { $why }.
password-not-kept-locked = Der Schlüsselbund dieses Computers hat Veranda das Passwort nicht speichern lassen. Entsperre ihn und versuch es noch einmal.
password-not-forgotten-in = Das Passwort ist noch gespeichert, weil { $path } nicht gelöscht werden kann: { $why }.
password-not-forgotten-locked = Das Passwort ist noch gespeichert, weil der Schlüsselbund dieses Computers Veranda nicht hineingelassen hat. Entsperre ihn und versuch es noch einmal.

login-busy = Dein XMPP-Server ist überlastet. Versuch es später noch einmal.
login-certificate = Das Zertifikat deines XMPP-Servers ist nicht gültig; vielleicht antwortet jemand anderes. Prüfe, was hinter dem @ steht, und die Uhr dieses Computers.
login-no-mechanism = Dein XMPP-Server bietet keinen sicheren Weg, sich mit einem Passwort anzumelden. Nimm einen anderen Server.
login-no-server = Der Server deines XMPP-Kontos ist nicht zu finden. Prüfe, was hinter dem @ steht, und die Internetverbindung.
login-no-tls = Der Server deines XMPP-Kontos bietet keine verschlüsselte Verbindung an; dein Passwort wird deshalb nicht geschickt. Nimm einen anderen Server.
login-not-xmpp = Auf dem Server deines Kontos gibt es kein XMPP. Prüfe, was hinter dem @ steht.
login-password = Name oder Passwort deines XMPP-Kontos ist falsch. Prüfe beides.
login-refused = Dein XMPP-Server lässt dieses Konto nicht herein. Frag den Betreiber.
login-refused-because = Dein XMPP-Server lässt dieses Konto nicht herein: „{ $words }“. Frag den Betreiber.
login-timed-out = Der Server deines XMPP-Kontos antwortet nicht. Prüfe die Internetverbindung.
login-unreachable = Der Server deines XMPP-Kontos ist nicht erreichbar. Prüfe die Internetverbindung; vielleicht lässt eine Firewall XMPP (Port 5222) nicht durch.

## The gateway

link-closed = Das Gateway hat die Verbindung beendet. Veranda verbindet sich neu.
link-lost = Die Verbindung zum Gateway ging verloren. Veranda verbindet sich neu.
link-server-lost = Die Verbindung zu deinem XMPP-Server ging verloren. Veranda verbindet sich neu.
link-silent = Das Gateway antwortet nicht mehr. Veranda verbindet sich neu.

gateway-certificate = Das Zertifikat von { $gateway } ist nicht gültig; vielleicht antwortet jemand anderes. Prüfe die Adresse und die Uhr dieses Computers.
gateway-ended = Das Gateway in der App ist unerwartet stehen geblieben; Links funktionieren deshalb nicht. Drück „Jetzt neu versuchen“.
gateway-has-another-address = Das Gateway unter { $gateway } sagt, dass seine Adresse { $address } ist. Nimm diese.
gateway-moved = Das Gateway { $gateway } ist nach { $address } umgezogen. Nimm von jetzt an diese Adresse.
gateway-no-account = Das Gateway { $gateway } wird über XMPP erreicht, und Veranda kennt kein XMPP-Konto von dir. Füge eines hinzu.
gateway-no-answer = Unter { $gateway } antwortet kein Gateway: Es hat zu lange gedauert.
gateway-not-a-gateway = Was unter { $gateway } antwortet, ist kein Gateway von Veranda, oder etwas auf dem Weg lässt die Verbindung nicht durch. Prüfe die Adresse.
gateway-not-admitted = Das Gateway { $gateway } lässt dich nicht herein: „{ $words }“. Frag den Betreiber, oder nimm ein anderes.
gateway-not-its-account = { $gateway } ist ein Konto, aber nicht das eines Gateways von Veranda. Prüfe die Adresse.
gateway-offline = Das Gateway { $gateway } ist nicht online, oder sein Server ist von deinem aus nicht erreichbar. Prüfe die Adresse, oder frag den Betreiber.
gateway-port-changed = Ein anderes Programm benutzt Port { $from }, deshalb ist Veranda auf Port { $to } umgezogen. Links, die du vorher weitergegeben hast, haben den alten: Kopiere sie neu.
gateway-proof-refused = Das Gateway { $gateway } glaubt nicht, dass du es bist: „{ $words }“. Geht die Uhr dieses Computers richtig?
gateway-refused = Das Gateway { $gateway } lehnt ab: „{ $words }“
gateway-timed-out = Das Gateway { $gateway } antwortet nicht. Prüfe die Internetverbindung und die Adresse.
gateway-unreachable = Das Gateway { $gateway } ist nicht erreichbar. Prüfe die Internetverbindung und die Adresse.

address-account = Ein XMPP-Konto sieht aus wie name@server.example.
address-insecure = Ein Gateway auf einem anderen Computer braucht https://.
address-port = Eine Adresse, die mit petrichor+ beginnt, braucht einen Port, wie petrichor+tls://gateway.example:7411.
address-scheme = Die Adresse eines Gateways beginnt mit https:// (oder http:// auf diesem Computer).
address-too-much = Die Adresse eines Gateways endet nach seinem Namen: nichts hinter dem Schrägstrich, kein Passwort.
address-unreadable = Das ist keine Adresse. So sieht eine aus: https://gateway.example.

## Sites

site-folder-gone = Der Ordner ist nicht mehr da oder nicht lesbar.
site-folder-silent = Das Laufwerk mit diesem Ordner antwortet gerade nicht oder zu langsam. Sobald es antwortet, funktioniert der Link wieder.
site-name-taken = Das Gateway hat den Namen dieses Links jemand anderem gegeben. Entferne den Ordner hier und füge ihn neu hinzu, um einen neuen Link zu bekommen.
site-refused = Das Gateway lehnt ab: „{ $words }“
site-already = Dieser Ordner ist schon veröffentlicht.
site-too-much = { $path } enthält viel mehr, als du veröffentlichen willst. Wähl einen Ordner darin.
site-no-path = Das ist kein Ordner auf diesem Computer.

folder-cannot-be-published = { $path } lässt sich nicht veröffentlichen: { $why }.
folder-cannot-take-files = { $path } kann keine Dateien aufnehmen: { $why }.
folder-denied = Der Ordner darf nicht gelesen werden
folder-full = Das Laufwerk ist voll
folder-not-a-folder = Das ist kein Ordner
folder-not-found = Der Ordner ist nicht da
folder-read-only = In den Ordner darf nicht geschrieben werden
folder-silent = Das Laufwerk antwortet nicht

## Files that are handed over

hand-over-away = Was zu diesem Link gehört, ist gerade nicht da, nicht zu benutzen, oder das Laufwerk antwortet nicht. Ist das Laufwerk angeschlossen? Sobald es wieder da ist, funktioniert der Link wieder.
hand-over-bad-size = Die Obergrenze muss mindestens ein Byte sein.
hand-over-long-note = Eine Notiz hat höchstens 1000 Zeichen.
hand-over-name-taken = Das Gateway hat den Namen deiner Links für Dateien jemand anderem gegeben. Beende sie alle und erstelle neue.
hand-over-no-file = { $path } ist keine Datei, die gesendet werden kann.
hand-over-not-shown = { $path } ist da, aber keine Dateiverwaltung dieses Computers antwortet, um es zu zeigen.
hand-over-moved = { $path } ist nicht mehr da: verschoben, umbenannt oder gelöscht.
hand-over-nobody-asks = Auf diese Antwort wartet niemand mehr. Wer noch möchte, kann den Link öffnen und noch einmal fragen.
hand-over-not-both = Ordner werden veröffentlicht und Dateien gesendet; leg entweder Ordner oder Dateien ab. Nichts ist geschehen.
hand-over-too-many = Es gibt schon zu viele Links für Dateien. Entferne zuerst einige davon.
hand-over-too-many-files = Höchstens 1000 Dateien lassen sich zusammen senden. Leg sie in einen Ordner und veröffentliche den.

file-count = Wähl 1 bis 1000 Dateien.
file-denied = { $path } darf nicht gelesen werden.
file-not-a-file = { $path } ist keine Datei.
file-not-found = { $path } ist nicht da.
file-other = { $path } lässt sich nicht öffnen: { $why }.

## What the system says

cause-denied = Veranda darf das nicht
cause-ended = Was deine Ordner veröffentlicht, läuft nicht mehr
cause-full = Das Laufwerk ist voll
cause-in-use = Ein anderes Veranda benutzt die Daten schon; beende es zuerst
cause-newer = Eine neuere Version von Veranda hat die Daten gespeichert; nimm diese
cause-not-found = nicht gefunden
cause-quoted = Das System meldet „{ $words }“
cause-read-only = Das Laufwerk lässt sich nur lesen
cause-silent = Das Laufwerk antwortet nicht

## Other problems

bad-answer = Eine Antwort hat 1 bis 1000 Zeichen.
bad-name = Ein Name hat 1 bis 60 Zeichen.
damaged-account = Das XMPP-Konto in den Einstellungen war nicht lesbar. Gib es in den Einstellungen noch einmal ein, wenn du es benutzt; eine Kopie davon liegt in { $path }.
damaged-folders = Die Liste der Ordner war nicht lesbar. Veranda hat neu begonnen und behalten, was da war: { $path }.
damaged-settings = Die Einstellungen waren nicht lesbar. Veranda hat neu begonnen und behalten, was da war: { $path }.
ending = Veranda wird gerade beendet.
engine-ended = Was deine Ordner veröffentlicht, ist unerwartet stehen geblieben. Drück „Noch einmal versuchen“.
gone = Das gibt es nicht mehr.
no-link-yet = Der Link ist noch nicht fertig: Das Gateway hat ihn noch nicht bestätigt.
not-kept = Das ließ sich nicht speichern: { $why }.
not-kept-perhaps-full = Das ließ sich nicht speichern: { $why }. Ist das Laufwerk voll?
not-ready = Veranda ist noch nicht bereit: Es braucht zuerst seinen Schlüssel.
settings-not-kept = Die Änderung ließ sich nicht in { $file } speichern: { $why }.
settings-unreadable = Die Einstellungen lassen sich nicht lesen: { $why }. Nichts wurde geändert.
strange-link = Das Gateway hat einen Link gemacht, der keine Webadresse ist.
too-busy = Veranda ist noch mit dem beschäftigt, was du vorher wolltest.
too-late = Das hat zu lange gedauert. Bitte versuch es noch einmal.

refused-copying = Den Link zu kopieren hat nicht geklappt: { $why }.
refused-dialog = Der Dialog hat nicht geklappt: { $why }.
refused-gateway = Das Gateway zu starten hat nicht geklappt: { $why }.
refused-login-start = Den Start mit dem Computer zu ändern hat nicht geklappt: { $why }.
refused-looking = Nachzusehen hat nicht geklappt: { $why }.
refused-opening = Den Browser zu öffnen hat nicht geklappt: { $why }.
refused-starting = Der Start hat nicht geklappt: { $why }.
start-takes-long = Der Datenordner ließ sich nicht rechtzeitig öffnen
