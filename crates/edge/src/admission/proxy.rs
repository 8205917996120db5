//! The client's address as a trusted proxy tells it: by the PROXY protocol, version 2 (HAProxy,
//! `doc/proxy-protocol.txt`), before TLS; or by `x-forwarded-for`, in the request. Nobody else is asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::address::Blocks;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Addresses and extensions after the fixed part. Extensions are skipped, so what is larger than any in
/// use is not worth reading.
const MOST: usize = 1024;

/// Reads the header and nothing after it. `None` when the proxy speaks for itself (a health check).
///
/// # Errors
/// When there is no such header, or when the connection ends.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0u8; 16];
    stream.read_exact(&mut fixed).await?;
    let (signature, rest) = fixed.split_at(12);
    let [command, family, high, low] = *rest else { return Err(malformed()) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if signature != SIGNATURE || command & 0xF0 != 0x20 || length > MOST {
        return Err(malformed());
    }
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body).await?;
    match command & 0x0F {
        0 => Ok(None),
        1 => address(family, &body).map(Some),
        _ => Err(malformed()),
    }
}

fn address(family: u8, body: &[u8]) -> io::Result<SocketAddr> {
    let port =
        |at: usize| -> Option<u16> { Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?)) };
    let found = || match family {
        0x11 => {
            let source: [u8; 4] = body.get(..4)?.try_into().ok()?;
            Some((IpAddr::V4(Ipv4Addr::from(source)), port(8)?))
        }
        0x21 => {
            let source: [u8; 16] = body.get(..16)?.try_into().ok()?;
            Some((IpAddr::V6(Ipv6Addr::from(source)).to_canonical(), port(32)?))
        }
        _ => None,
    };
    found().map(SocketAddr::from).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a PROXY protocol header, version 2")
}

/// The client according to `x-forwarded-for`: read from the right, the first that is not one of ours.
/// What stands left of it was written by strangers.
pub(crate) fn forwarded(headers: &HeaderMap, trusted: &Blocks) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    for line in lines.into_iter().rev() {
        for hop in line.to_str().ok()?.rsplit(',') {
            let address = hop.trim().parse::<IpAddr>().ok()?.to_canonical();
            if !trusted.holds(address) {
                return Some(address);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[0x20 | command, family], &length, body].concat()
    }

    async fn parse(bytes: &[u8]) -> io::Result<(Option<SocketAddr>, usize)> {
        let mut rest = bytes;
        let found = read(&mut rest).await?;
        Ok((found, rest.len()))
    }

    #[tokio::test]
    async fn both_families_are_read_and_not_a_byte_more() {
        let v4 = [192, 0, 2, 7, 127, 0, 0, 1, 0x12, 0x34, 0x01, 0xBB];
        let bytes = [header(1, 0x11, &[&v4[..], &[4, 0, 1, 0]].concat()), b"TLS".to_vec()].concat();
        assert_eq!(parse(&bytes).await.unwrap(), (Some("192.0.2.7:4660".parse().unwrap()), 3));
        let mut v6 = [0u8; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[33] = 9;
        assert_eq!(parse(&header(1, 0x21, &v6)).await.unwrap().0, Some("[2001:db8::]:9".parse().unwrap()));
        assert_eq!(parse(&header(0, 0, &[])).await.unwrap().0, None);
    }

    #[tokio::test]
    async fn what_is_not_such_a_header_is_refused() {
        for bytes in [
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(),
            header(2, 0x11, &[0; 12]),
            header(1, 0x31, &[0; 216]),
            header(1, 0x11, &[0; 5]),
            header(1, 0x11, &[0; 2000]),
            SIGNATURE.to_vec(),
        ] {
            assert!(parse(&bytes).await.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_last_hop_that_is_not_ours_is_the_client() {
        let trusted = Blocks::new(&["10.0.0.0/8".parse().unwrap()]);
        let of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            forwarded(&headers, &trusted).map(|address| address.to_string())
        };
        assert_eq!(of(&["6.6.6.6, 192.0.2.1, 10.0.0.2"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["6.6.6.6", "192.0.2.1", "10.0.0.2, 10.0.0.3"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["2001:db8::1"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["192.0.2.1, what"]), None, "what cannot be read is not guessed");
        assert_eq!(of(&["10.0.0.2"]), None);
        assert_eq!(of(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut headed = SIGNATURE.to_vec();
            headed.extend(&bytes);
            for bytes in [bytes, headed] {
                let _ = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(parse(&bytes));
            }
        }
    }
}
