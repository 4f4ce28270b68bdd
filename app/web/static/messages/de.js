/** German. */

import adding from "./de/adding.js";
import device from "./de/device.js";
import errors from "./de/errors.js";
import exits from "./de/exits.js";
import firstRun from "./de/first_run.js";
import protection from "./de/protection.js";
import servers from "./de/servers.js";
import settings from "./de/settings.js";

export default {
  "app.name": "VPN-Gateway",
  "app.places": "Bereiche",

  "action.cancel": "Abbrechen",
  "action.close": "Schließen",
  "action.confirm": "Bestätigen",
  "action.connect": "Verbinden",
  "action.disconnect": "Trennen",
  "action.dismiss": "Ausblenden",
  "action.seen": "Gesehen",
  "action.skip": "Zum Inhalt",
  "action.stop": "Nicht weiter versuchen",
  "action.undo": "Rückgängig",

  "alert.title": "Warnungen",

  "devices.admit": "Zulassen",
  "devices.admit_label": "{device} zulassen",
  "devices.count": { one: "{count} Gerät", other: "{count} Geräte" },
  "devices.last_seen": "Zuletzt gesehen: {ago}",
  "devices.menu": "Internet von {device}",
  "devices.never_seen": "Noch nicht gesehen",
  "devices.none": "Noch keine Geräte",
  "devices.none_next":
    "Ein Telefon oder einen Computer mit dem Netz des Gateways verbinden: Es erscheint hier von selbst.",
  "devices.none_found": "Kein Gerät passt",
  "devices.none_found_next": "Nach einem Teil des Namens, des Herstellers oder der Adresse suchen.",
  "devices.online": "Online",
  "devices.rate": "{down} ab, {up} auf",
  "devices.search": "Geräte suchen",
  "devices.waiting": { one: "{count} Gerät wartet", other: "{count} Geräte warten" },
  "devices.waiting_why": "Es war noch nie hier und erreicht nichts, bis es zugelassen ist.",

  "done.admitted": "{device} ist zugelassen.",
  "done.blocked": "{device} ist gesperrt.",
  "done.disconnected": "Getrennt. Bis zur nächsten Verbindung geht nichts hinaus.",
  "done.ended": "{device} ist wieder geschützt.",
  "done.exit": "{device} geht jetzt über {exit} hinaus.",
  "done.inherit": "Für {device} gilt jetzt, was für alle gilt.",
  "done.open": {
    one: "{device} geht {count} Minute lang ohne VPN hinaus.",
    other: "{device} geht {count} Minuten lang ohne VPN hinaus.",
  },

  "error.account_expired": "Das Konto beim Anbieter ist abgelaufen. Dort verlängern; bis dahin bleibt alles gesperrt.",
  "error.busy": "Das Gateway arbeitet noch an der letzten Änderung. Gleich noch einmal versuchen.",
  "error.exit_in_use": "Geräte benutzen diesen Ausgang noch. Erst sagen, wohin sie sollen.",
  "error.forbidden": "Das Gateway hat das abgelehnt. Nichts wurde geändert.",
  "error.insufficient_scope": "Diese Anmeldung darf sehen, aber nichts ändern. Als Admin anmelden.",
  "error.internal": "Im Gateway ging etwas schief. Der Schutz bleibt, wie er war; noch einmal versuchen.",
  "error.invalid_token": "Die Anmeldung ist abgelaufen. Neu anmelden.",
  "error.key_revoked":
    "Der Anbieter kennt den Schlüssel des Gateways nicht mehr. Dort neu anmelden; bis dahin bleibt alles gesperrt.",
  "error.locked_out": "Zu viele falsche Passwörter. Noch einmal in {wait} versuchen.",
  "error.missing_field": "Bitte ausfüllen.",
  "error.not_allowed": "Das darf dieses Gerät nicht entscheiden. Wer sich um das Gateway kümmert, kann es.",
  "error.not_found": "Das gibt es nicht mehr. Die Seite zeigt, was da ist.",
  "error.not_signed_in": "Erst beim Anbieter anmelden: Ohne Konto antwortet kein Server.",
  "error.rate_limited": "Zu viele Anfragen auf einmal. Nichts wurde geändert; kurz warten.",
  "error.set_password_first": "Erst ein Passwort für das Gateway setzen, damit niemand sonst ein Gerät öffnet.",
  "error.storage":
    "Das Gateway konnte nicht auf seine Karte schreiben. Nichts wurde geändert; sie ist voll oder verbraucht.",
  "error.timeout": "Das Gateway hat zu lange gebraucht. Vor einem neuen Versuch nachsehen, ob es doch geschah.",
  "error.unauthorized": "Dafür anmelden.",
  "error.unavailable":
    "Der Netzdienst des Gateways antwortet nicht. Die geltenden Regeln bleiben: Ohne sie geht nichts hinaus.",
  "error.unexpected": "Auf dieser Seite ging etwas schief. Neu laden; der Schutz ist nicht betroffen.",
  "error.unreachable": "Das Gateway ist nicht erreichbar. Ist dieses Gerät noch in seinem Netz?",
  "error.unreadable": "Die Antwort des Gateways war nicht lesbar. Die Seite neu laden.",
  "error.wrong_code": "Der Code ist falsch. Den nehmen, den die App jetzt zeigt.",
  "error.wrong_password": "Das Passwort ist falsch.",

  "error.wrong_password_or_code": "Das Passwort oder der Code ist falsch.",
  "exception.end": "Jetzt beenden",
  "exception.end_label": "Für {device} jetzt beenden",
  "exception.extend": "+{count} Min.",
  "exception.extend_label": "+{count} Min. für {device}",
  "exception.row": "{device}: {policy}",
  "exception.title": "Für eine Weile",

  "exit.default": "Hauptausgang",

  "fact.address": "Adresse",
  "fact.place": "Ort",
  "fact.server": "Server",
  "fact.since": "Seit",

  "field.code": "Code der Authenticator-App",
  "field.password": "Passwort",

  "home.choose_port": "Internetanschluss wählen",
  "home.gateway": "Zustand des Gateways",
  "home.last_heard": "Zuletzt gehört: {ago}. Angezeigt ist der Stand von da.",
  "home.problems": "Einige Einstellungen sind nicht brauchbar",
  "home.problems_what":
    "Das Gateway hat sie ausgelassen; alles andere gilt. Neu einstellen, oder eine Sicherung einspielen.",
  "home.switching": "Wechselt zu {server}. Der alte Tunnel bleibt, bis der neue steht.",

  "me.blocked": "Dieses Gerät hat kein Internet",
  "me.direct": "Dieses Gerät geht ohne VPN hinaus",
  "me.end_pause": "Pause beenden",
  "me.exit_down": "Sein Ausgang, {exit}, ist nicht verbunden: Nichts geht hinaus.",
  "me.menu": "Internet dieses Geräts",
  "me.pause": { one: "{count} Minute Pause", other: "{count} Minuten Pause" },
  "me.vpn": "Dieses Gerät geht über {exit} hinaus",
  "me.waiting": "Es ist neu hier und wartet darauf, zugelassen zu werden.",
  "me.why_blocked": "Nichts geht hinaus: Das ist der Kill-Switch bei der Arbeit.",

  "next.blocked": "Einen anderen Server wählen oder warten: Das Gateway versucht es weiter.",
  "next.connecting": "Das dauert ein paar Sekunden.",
  "next.disconnected": "Jederzeit wieder verbinden.",
  "next.lost": "Ist das Gateway eingeschaltet und dieses Gerät in seinem Netz?",
  "next.open": "Für wen und bis wann, steht darunter.",
  "next.retry": "Nächster Versuch in {time}.",
  "next.retry_now": "Versucht es gerade.",
  "next.unavailable": "Er sollte gleich wieder da sein.",
  "next.unconfirmed": "Unter „Schutz“ steht, was gefunden wurde.",
  "next.wan": "Die Kabel ansehen oder den Anschluss in den Einstellungen wählen.",

  "no_password.next": "Jetzt setzen",
  "no_password.what":
    "Dieses Gateway hat kein Passwort: Alle in seinem Netz können verbinden, trennen und Server hinzufügen.",

  "password.title": "Noch einmal das Passwort",
  "password.why": "Damit geht Verkehr ohne VPN hinaus; dafür genügt eine Anmeldung nicht.",

  "place.devices": "Geräte",
  "place.docs": "Die API",
  "place.exits": "Ausgänge",
  "place.home": "Start",
  "place.proof": "Von diesem Gerät aus beweisen",
  "place.protection": "Schutz",
  "place.servers": "Server",
  "place.settings": "Optionen",
  "place.welcome": "Erste Schritte",
  "policy.blocked": "Gesperrt",
  "policy.direct": "Ohne VPN",
  "policy.direct_for": "Ohne VPN für",
  "policy.inherit": "Wie alle",
  "policy.minutes": { one: "{count} Minute", other: "{count} Minuten" },
  "policy.more": "Mehr",
  "policy.waiting": "Wartet",

  "quick.all": "Alle Server",
  "quick.connect": "Mit {server} verbinden",
  "quick.fastest": "Schnellster",
  "quick.title": "Server wechseln",

  "sign_in.forgotten": "Vergessen? Auf der SD-Karte des Gateways lässt sich das Passwort neu setzen.",
  "sign_in.title": "Anmelden",
  "sign_in.why": "Dieses Gateway hat ein Passwort.",

  "state.blocked": "Gesperrt",
  "state.connecting": "Verbindet",
  "state.loading": "Fragt das Gateway",
  "state.lost": "Gateway nicht erreicht",
  "state.open": { one: "Offen für {count} Gerät", other: "Offen für {count} Geräte" },
  "state.protected": "Geschützt",
  "state.unavailable": "Zustand unbekannt",
  "state.unconfirmed": "Kill-Switch nicht bestätigt",
  "state.waiting": "Verbindet neu",

  "time.until": "bis {time}",

  "traffic.down": "Ab",
  "traffic.title": "Gerade jetzt",
  "traffic.up": "Auf",

  "why.blocked": "Der Tunnel steht nicht, also geht nichts hinaus.",
  "why.connecting": "Alles bleibt gesperrt, bis der Tunnel steht.",
  "why.disconnected": "Getrennt auf Wunsch: Kein Gerät erreicht das Internet.",
  "why.lost": "Die Seite hört nichts vom Gateway.",
  "why.open": "Jemand lässt sie ohne VPN hinaus. Alle anderen bleiben hinter dem Kill-Switch.",
  "why.protected": "Alles geht verschlüsselt hinaus oder gar nicht.",
  "why.unavailable": "Der Netzdienst antwortet nicht. Die zuletzt geltenden Regeln gelten weiter.",
  "why.unconfirmed": "Die Regeln im Kernel sind nicht die, die dort sein sollen.",
  "why.waiting": "Die Seite hat das Gateway kurz verloren und versucht es wieder.",

  ...adding,
  ...device,
  ...errors,
  ...exits,
  ...firstRun,
  ...protection,
  ...servers,
  ...settings,
};
