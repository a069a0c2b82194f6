//! HTTP/1.1 with nothing around it: one kept connection a client.

use crate::harness::{Error, spawn};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderValue;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Http {
    server: SocketAddr,
    connection: SendRequest<Full<Bytes>>,
    key: Option<HeaderValue>,
}

impl Http {
    pub(crate) async fn connect(server: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        drop(spawn(driver));
        Ok(Self { server, connection, key: None })
    }

    /// The same, which says with each call who calls.
    pub(crate) fn with_key(mut self, key: &str) -> Result<Self, Error> {
        let mut header =
            HeaderValue::try_from(format!("Bearer {key}")).map_err(|err| Error::Failed(err.to_string()))?;
        header.set_sensitive(true);
        self.key = Some(header);
        Ok(self)
    }

    /// Posts JSON and gives the body of the answer.
    ///
    /// # Errors
    /// If the server does not answer, or not with success.
    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Bytes, Error> {
        self.call(Method::POST, path, body.into()).await
    }

    /// Gets the body of the answer.
    ///
    /// # Errors
    /// If the server does not answer, or not with success.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes, Error> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    async fn call(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.server.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|err| Error::Failed(err.to_string()))?;
        if let Some(key) = &self.key {
            request.headers_mut().insert(header::AUTHORIZATION, key.clone());
        }
        // A server may close a connection on which nothing was asked for a while. Nothing has been sent yet.
        if self.connection.ready().await.is_err() {
            *self = Self { key: self.key.clone(), ..Self::connect(self.server).await? };
            self.connection.ready().await?;
        }
        let answer = self.connection.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        Err(Error::Failed(format!("{path} was answered with {status}: {}", String::from_utf8_lossy(&body))))
    }
}
