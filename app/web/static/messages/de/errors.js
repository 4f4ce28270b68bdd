/** German: the sentences for the rarer codes of the API, and for what the page itself refuses. */

export default {
  "error.accept_openings": "Die Sicherung öffnet mehr als angenommen wurde. Nichts ist geändert; noch einmal prüfen.",
  "error.address_taken": "Ein anderes Gerät hat diese Adresse. Eine freie wählen.",
  "error.ambiguous_device": "Mehrere Geräte heißen so. Die Adresse nennen.",
  "error.bad_server_list":
    "Die Serverliste des Anbieters ist nicht brauchbar. Die alte bleibt; in ein paar Stunden wieder versuchen.",
  "error.blocked_by_admin": "Das darf dieses Gerät gerade nicht entscheiden: Seine Regel ist nicht das VPN.",
  "error.canary_leak":
    "Der eigene Test des Gateways sah ein Paket unverschlüsselt hinausgehen und hat alle Ausgänge geschlossen. Mehr unter „Schutz“.",
  "error.captcha_needed":
    "Der Anbieter will nach zu vielen Versuchen ein Captcha. Später versuchen oder eine .conf-Datei nehmen.",
  "error.conflict": "Das verträgt sich nicht mit dem, was jetzt gilt. Nichts wurde geändert.",
  "error.connect_timeout":
    "Der Server antwortet nicht. Solange geht nichts unverschlüsselt hinaus; einen anderen wählen.",
  "error.cross_site": "Eine andere Website wollte das, und das Gateway hat es abgelehnt. Nichts wurde geändert.",
  "error.damaged_backup":
    "Die Datei ist abgeschnitten, verändert oder keine Sicherung. Nichts ist geändert; eine andere Kopie versuchen.",
  "error.default_exit": "Der Hauptausgang behält seinen Namen und lässt sich nicht entfernen.",
  "error.endpoint_unresolvable":
    "Der Name des Servers ließ sich nicht auflösen. Nichts geht unverschlüsselt hinaus; einen anderen Server wählen.",
  "error.firewall_failed":
    "Die Regeln ließen sich nicht in Kraft setzen, also geht nichts hinaus. Das Gateway neu starten.",
  "error.group_exists": "Eine Gruppe dieses Namens gibt es schon.",
  "error.handshake_timeout":
    "Der Server antwortet nicht. Solange geht nichts unverschlüsselt hinaus; einen anderen wählen.",
  "error.host_not_allowed": "Unter diesem Namen kennt sich das Gateway nicht. Die Seite über seine Adresse öffnen.",
  "error.in_use": "Ein Ausgang benutzt diesen Server noch. Erst für ihn einen anderen wählen.",
  "error.incomplete": "In den Angaben zu diesem Server fehlt etwas, so dass er sich nicht verbinden kann.",
  "error.invalid_backup": "Das Backup ist ganz, aber ein Wert darin ist nicht brauchbar. Nichts wurde geändert.",
  "error.invalid_config": "Diese Datei ist so nicht brauchbar. Nichts wurde hinzugefügt.",
  "error.invalid_field": "Das ist hier nicht brauchbar. Nichts wurde geändert.",
  "error.invalid_passphrase": "Eine Passphrase von mindestens 8 Zeichen wählen.",
  "error.kernel": "Das System hat die Änderung abgelehnt. Alles bleibt gesperrt; hält das an, das Gateway neu starten.",
  "error.key_from_file": "Hier ist nur ein Schlüssel aus einer Datei bekannt, kein Konto. Dafür anmelden.",
  "error.key_in_use":
    "Der Anbieter kennt diesen Schlüssel schon. Noch einmal versuchen; das Gateway macht einen neuen.",
  "error.key_unproven":
    "Noch kein Server hat auf den Schlüssel des Gateways geantwortet; es versucht es nicht weiter, denn das könnte das Konto kosten. Nichts geht hinaus. Den Schlüssel prüfen, dann neu verbinden.",
  "error.keys_lost":
    "Die gespeicherten Schlüssel sind nicht mehr lesbar. Beim Anbieter neu anmelden oder ein Backup wiederherstellen.",
  "error.lan_port": "Dieser Anschluss ist ein Funkmodul oder gehört zum Netz innen. Einen anderen wählen.",
  "error.malformed_request": "Das hat das Gateway nicht verstanden. Die Seite neu laden.",
  "error.method_not_allowed": "Das macht das Gateway nicht. Die Seite neu laden.",
  "error.name_in_use": "Dieser Name ist vergeben. Einen anderen wählen.",
  "error.networks_overlap":
    "Die Netze innen und außen haben dieselben Adressen, also geht nichts hinaus. Dem inneren andere geben.",
  "error.newer_backup":
    "Diese Sicherung ist von einer neueren Version. Erst dieses Gateway aktualisieren; nichts ist geändert.",
  "error.no_accounts": "Bei diesem Anbieter gibt es keine Konten zum Anmelden.",
  "error.no_days": "Mindestens einen Tag wählen.",
  "error.no_dhcp": "Das Gateway vergibt hier keine Adressen. Dort festlegen, wo das geschieht.",
  "error.no_exit": "Einen Ausgang dieses Namens gibt es nicht mehr. Einen wählen, den es gibt.",
  "error.no_file": "Erst eine Datei wählen.",
  "error.no_password": "Das Gateway hat noch kein Passwort. Erst eines setzen.",
  "error.no_state_dir": "Dieses Gateway hat keinen Platz für ein Passwort; es lässt sich keines setzen.",
  "error.no_totp": "Es gibt keinen zweiten Faktor zum Entfernen.",
  "error.not_a_config": "Das ist keine WireGuard-Datei. Die .conf-Datei des Anbieters nehmen.",
  "error.not_a_device":
    "Dieser Browser läuft auf keinem Gerät im Netz des Gateways. Die Seite auf dem Gerät selbst öffnen.",
  "error.not_a_session": "Das ist der Schlüssel eines Programms, keine Anmeldung. Bei den Schlüsseln entfernen.",
  "error.not_enrolling": "Das hat zu lange gedauert. Mit dem zweiten Faktor neu anfangen.",
  "error.not_implemented": "Das kann diese Version noch nicht. Nichts wurde geändert.",
  "error.not_its_file": "Diese Datei öffnet die Server des Anbieters nicht. Eine aktuelle von dort nehmen.",
  "error.not_restorable":
    "Kein Backup wurde gemacht, denn es ließe sich nicht wiederherstellen. Erst berichtigen, was genannt ist.",
  "error.not_shut": "Die Ausgänge sind schon offen.",
  "error.only_port": "Das ist der einzige Anschluss. Er kann nicht zugleich Leitung und Netz innen sein.",
  "error.passwords_differ": "Die beiden stimmen nicht überein.",
  "error.password_set": "Ein Passwort ist schon gesetzt. Damit anmelden.",
  "error.post_quantum_failed":
    "Der Server nahm den verlangten Schlüsseltausch nicht an. Nichts geht hinaus; einen anderen Server wählen.",
  "error.provider_bad_answer":
    "Der Anbieter gab eine Antwort, die das Gateway nicht versteht. Nichts ist geändert; ein Update kann helfen.",
  "error.provider_blocks_us":
    "Der Anbieter weist dieses Gateway ab. Nichts ist geändert; seine .conf-Dateien einlesen geht weiterhin.",
  "error.provider_certificate":
    "Der Anbieter konnte sich nicht ausweisen. Die Uhr des Gateways ansehen; vielleicht liest unterwegs jemand mit.",
  "error.provider_rate_limited":
    "Der Anbieter bittet zu warten. Nichts ist geändert; in einigen Minuten noch einmal versuchen.",
  "error.provider_unavailable": "Der Anbieter antwortet nicht. Nichts ist geändert; später noch einmal versuchen.",
  "error.proxied": "Diese Seite kam über einen Proxy; das Gateway erkennt nicht, welches Gerät es ist.",
  "error.request_timeout": "Die Verbindung war zu langsam. Nichts wurde geändert; noch einmal versuchen.",
  "error.restarting":
    "Ein Backup wurde wiederhergestellt, und das Gateway startet neu. Solange geht nichts hinaus; kurz warten.",
  "error.server_in_use": "Ein anderer Ausgang benutzt diesen Server schon. Einen anderen wählen.",
  "error.server_unavailable": "Diesen Server bietet der Anbieter nicht mehr an. Einen anderen wählen.",
  "error.signed_in":
    "Ein Konto ist schon angemeldet und öffnet dieselben Server. Für den Schlüssel einer Datei erst abmelden.",
  "error.signed_out": "Das Gateway ist beim Anbieter nicht angemeldet. Erst dort anmelden.",
  "error.storage_lost":
    "Das Gateway kann seine Karte nicht lesen und ändert nichts, bis es das kann. Die SD-Karte ansehen.",
  "error.superseded": "Eine spätere Wahl trat an die Stelle dieser.",
  "error.token_refused": "Der Anbieter hat die Anmeldung beendet. Dort neu anmelden.",
  "error.too_large": "Das ist zu groß für das Gateway. Nichts wurde geändert.",
  "error.too_many": "Für mehr ist kein Platz. Erst etwas entfernen.",
  "error.too_many_devices": "Das Konto hat so viele Geräte, wie es darf. Eines entfernen, dann noch einmal anmelden.",
  "error.too_many_keys": "Es gibt so viele Schlüssel, wie es geben darf. Erst einen entfernen.",
  "error.too_many_requests": "Zu viele Anfragen auf einmal. Nichts wurde geändert; kurz warten.",
  "error.too_many_websockets": "Zu viele Seiten sind offen. Eine davon schließen.",
  "error.totp_set": "Ein zweiter Faktor ist schon gesetzt. Erst den entfernen.",
  "error.tunnel_dead":
    "Durch den Tunnel kommt nichts. Nichts geht unverschlüsselt hinaus; einen anderen Server wählen.",
  "error.tunnel_lost": "Der Tunnel ist weg. Nichts geht unverschlüsselt hinaus; das Gateway baut ihn neu auf.",
  "error.two_factor_needed": "Der Anbieter will auch den Code der Authenticator-App.",
  "error.unknown_field": "Diese Seite ist von einer anderen Version als das Gateway. Neu laden.",
  "error.unplannable": "Daraus lässt sich kein Netz machen. Nichts wurde geändert.",
  "error.unsafe_archive": "Dieses Archiv lässt sich nicht sicher öffnen. Die .conf-Dateien selbst nehmen.",
  "error.unsupported_media_type": "Dateien dieser Art nimmt das Gateway nicht.",
  "error.upgrade_required": "Etwas zwischen Seite und Gateway hat die Verbindung getrennt. Die Seite neu laden.",
  "error.wan_down": "Das Gateway hat keine Leitung ins Internet. Das Kabel zum Router ansehen.",
  "error.wan_fixed": "Der Anschluss ist in gateway.toml auf der Karte gewählt. Dort ändern.",
  "error.window_closed":
    "Ein erstes Passwort geht nur in den Minuten nach einem Start. Das Gateway aus- und einschalten, dann setzen.",
  "error.wrong_credentials": "Der Anbieter nimmt das nicht an. Die Eingabe prüfen oder neu anmelden.",
  "error.wrong_passphrase": "Diese Passphrase öffnet die Datei nicht. Nichts ist geändert.",
};
