//! The way to the house: sockets from addresses of our choice, TLS, HTTP/1.1.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Failure;

pub(crate) const HOST: &str = "chat.test";
/// Who may tell another's address by the PROXY protocol.
pub(crate) const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 50));

/// Where to go.
#[derive(Clone)]
pub(crate) struct Target {
    public: SocketAddr,
    staff: SocketAddr,
    fresh: Arc<ClientConfig>,
    resuming: Arc<ClientConfig>,
}

/// Which door of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Public,
    Staff,
}

impl Target {
    /// Public address, staff address, file of the certificate to trust.
    pub(crate) fn named(words: &[&str]) -> Result<Self, Failure> {
        let [public, staff, root] = words else { return Err("a target is two addresses and a file".into()) };
        let mut roots = RootCertStore::empty();
        roots.add(std::fs::read(root)?.into())?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut never = client.clone();
        never.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            public: public.parse()?,
            staff: staff.parse()?,
            fresh: Arc::new(never),
            resuming: Arc::new(client),
        })
    }

    /// A TCP connection from an address of our choice.
    pub(crate) async fn dial(&self, at: At, from: IpAddr) -> Result<TcpStream, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(from, 0))?;
        let to = if at == At::Public { self.public } else { self.staff };
        let stream = timeout(Duration::from_secs(5), socket.connect(to)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// What a client says first, without a connection.
    pub(crate) fn hello(&self) -> Result<Vec<u8>, Failure> {
        let name = ServerName::try_from(HOST)?;
        let mut client = rustls::ClientConnection::new(Arc::clone(&self.fresh), name)?;
        let mut hello = Vec::new();
        client.write_tls(&mut hello)?;
        Ok(hello)
    }

    /// A TLS connection. An IPv6 client comes by the proxy.
    pub(crate) async fn connect(
        &self,
        at: At,
        from: IpAddr,
        resume: bool,
        alpn: &[u8],
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = match from {
            IpAddr::V4(_) => self.dial(at, from).await?,
            IpAddr::V6(v6) => {
                let mut stream = self.dial(at, PROXY).await?;
                let mut head = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24".to_vec();
                head.extend(v6.octets());
                head.extend([0; 16]);
                head.extend([0x40, 0, 1, 0xBB]);
                stream.write_all(&head).await?;
                stream
            }
        };
        let mut config = if resume { Arc::clone(&self.resuming) } else { Arc::clone(&self.fresh) };
        if !alpn.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![alpn.to_vec()];
        }
        let name = ServerName::try_from(HOST)?;
        Ok(timeout(Duration::from_secs(10), TlsConnector::from(config).connect(name, stream)).await??)
    }

    /// An HTTP/1.1 client on a connection of its own.
    pub(crate) async fn client(&self, at: At, from: IpAddr) -> Result<Client, Failure> {
        let stream = self.connect(at, from, true, b"").await?;
        let (sender, conn) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(conn);
        Ok(Client(sender))
    }
}

/// An HTTP/1.1 client.
pub(crate) struct Client(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Client {
    /// Sends a request; the status and the body that came back.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&'static str, &str)],
        body: &'static str,
    ) -> Result<(u16, Bytes), Failure> {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body))?;
        let answer = async {
            self.0.ready().await?;
            let response = self.0.send_request(request).await?;
            let status = response.status().as_u16();
            Ok::<_, Failure>((status, response.into_body().collect().await?.to_bytes()))
        };
        timeout(Duration::from_secs(10), answer).await?
    }
}
