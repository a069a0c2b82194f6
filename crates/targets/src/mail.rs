//! Mail, for notifications: one message a connection over SMTP (RFC 5321), to an address that the guard lets pass.

use crate::guard::Guard;
use chancery_base::Secret;
use chancery_shard::notifier::MailTls;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::net::IpAddr;
use std::time::Duration;

/// A message, and the relay that takes it.
#[derive(Debug, Clone)]
pub struct Mail<'a> {
    /// The relay's name or address; its certificate is for this name.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from being read.
    pub tls: MailTls,
    /// As whom, and by which password.
    pub credentials: Option<(&'a str, &'a Secret)>,
    /// From whom.
    pub from: &'a str,
    /// To whom.
    pub to: &'a [String],
    /// What it is about, in a line.
    pub subject: &'a str,
    /// What it says: plain text.
    pub body: String,
    /// Its id, the same for every attempt to send it.
    pub id: &'a str,
    /// How long each exchange with the relay may take.
    pub timeout: Duration,
}

/// Why a message was not taken. It says nothing that was secret.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// An address is none.
    #[error("`{0}` is no mail address: {1}")]
    Address(String, String),
    /// The message can't be written.
    #[error("the message can't be written: {0}")]
    Message(#[from] lettre::error::Error),
    /// The relay's name has no address that may be connected to.
    #[error("`{host}`: {why}")]
    Host {
        /// Which.
        host: String,
        /// Why not.
        why: String,
    },
    /// The relay did not take it.
    #[error("the relay did not take it: {0}")]
    Relay(String),
}

/// Sends a message; returns when the relay has taken it.
///
/// # Errors
/// If it has not, or is not known to have.
pub async fn send(guard: &Guard, mail: Mail<'_>) -> Result<(), MailError> {
    let message = write(&mail)?;
    let address = resolve(guard, mail.host).await?;
    let tls = || TlsParameters::new(mail.host.to_owned()).map_err(|error| MailError::Relay(describe(&error)));
    let tls = match mail.tls {
        MailTls::Starttls => Tls::Required(tls()?),
        MailTls::Tls => Tls::Wrapper(tls()?),
        MailTls::None => Tls::None,
    };
    // The address is the one that was looked at: the name is not resolved again. TLS is for the name.
    let mut relay = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.to_string())
        .port(mail.port)
        .tls(tls)
        .timeout(Some(mail.timeout));
    if let Some((username, password)) = mail.credentials {
        relay = relay.credentials(Credentials::new(username.to_owned(), password.expose().to_owned()));
    }
    relay.build().send(message).await.map(drop).map_err(|error| MailError::Relay(describe(&error)))
}

fn write(mail: &Mail<'_>) -> Result<Message, MailError> {
    let mailbox =
        |text: &str| text.parse::<Mailbox>().map_err(|error| MailError::Address(text.to_owned(), describe(&error)));
    let mut message = Message::builder()
        .from(mailbox(mail.from)?)
        .subject(mail.subject)
        .message_id(Some(format!("<{}@chancery>", mail.id)))
        .header(ContentType::TEXT_PLAIN);
    for to in mail.to {
        message = message.to(mailbox(to)?);
    }
    Ok(message.body(mail.body.clone())?)
}

async fn resolve(guard: &Guard, host: &str) -> Result<IpAddr, MailError> {
    let refused = |why: String| MailError::Host { host: host.to_owned(), why };
    if let Ok(address) = host.parse::<IpAddr>() {
        return guard.check(address).map(|()| address).map_err(|error| refused(error.to_string()));
    }
    let mut found = guard.clone().resolve_name(host.to_owned()).await.map_err(|error| refused(error.to_string()))?;
    found.next().map(|address| address.ip()).ok_or_else(|| refused("the name has no address".to_owned()))
}

/// An error and its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
