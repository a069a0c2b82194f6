//! Notifiers.

use chancery_api::notifier::{
    Notifier, NotifierChannel, NotifierGivenUp, NotifierRetry, NotifierTested, NotifierTls, SetNotifier,
};
use chancery_app::notifiers::{Channel, MailTls, NotifierSettings, NotifierView};
use chancery_base::Secret;

pub(crate) fn set_notifier(body: SetNotifier) -> (NotifierSettings, Option<Secret>) {
    let channel = match body.channel {
        NotifierChannel::Webhook { url } => Channel::Webhook { url },
        NotifierChannel::Smtp { host, port, tls, username, from, to } => {
            let tls = match tls {
                NotifierTls::Starttls => MailTls::Starttls,
                NotifierTls::Tls => MailTls::Tls,
                NotifierTls::None => MailTls::None,
            };
            Channel::Smtp { host, port, tls, username, from, to }
        }
    };
    (NotifierSettings { channel, events: body.events.into_iter().collect() }, body.password.map(Secret::new))
}

pub(crate) fn notifier(view: NotifierView) -> Notifier {
    let notifier = view.notifier;
    let channel = match notifier.settings.channel {
        Channel::Webhook { url } => NotifierChannel::Webhook { url },
        Channel::Smtp { host, port, tls, username, from, to } => {
            let tls = match tls {
                MailTls::Starttls => NotifierTls::Starttls,
                MailTls::Tls => NotifierTls::Tls,
                MailTls::None => NotifierTls::None,
            };
            NotifierChannel::Smtp { host, port, tls, username, from, to }
        }
    };
    Notifier {
        name: notifier.name,
        channel,
        password: notifier.password,
        events: notifier.settings.events.into_iter().collect(),
        next: notifier.next,
        told: notifier.told,
        failed: notifier.failed,
        given_up: notifier.given_up.map(|given_up| NotifierGivenUp {
            entry: given_up.entry,
            at: given_up.at,
            error: given_up.error,
        }),
        retrying: view.retrying.map(|retry| NotifierRetry {
            entry: retry.entry,
            attempts: retry.attempts,
            error: retry.error,
            next_at: retry.next_at,
        }),
    }
}

pub(crate) fn notifier_tested(told: Result<(), String>) -> NotifierTested {
    NotifierTested { told: told.is_ok(), error: told.err() }
}
