//! Which addresses may be connected to. A name is resolved once, what it resolves to is looked at, and the connection is
//! made to just that: a name that says something else the next time gains nothing.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// Addresses that belong together: `10.0.0.0/8`, `fd00::/8`, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: write an address and its bits, such as `10.0.0.0/8` or `fd00::/8`")]
pub struct NetworkError(String);

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// This host itself.
    Loopback,
    /// Networks that are nobody's in particular: RFC 1918, RFC 6598, unique local ones.
    Private,
    /// One link.
    LinkLocal,
    /// What tells a machine in a cloud its credentials.
    Metadata,
    /// Many at once.
    Multicast,
    /// Unspecified, broadcast, documentation, benchmarks, reserved.
    Reserved,
}

impl Range {
    const fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        }
    }

    /// How who runs the node lets it, where it can be let.
    const fn flag(self) -> &'static str {
        match self {
            Self::Metadata => "",
            Self::Loopback | Self::Private | Self::LinkLocal | Self::Multicast | Self::Reserved => {
                " without --allow-target-network"
            }
        }
    }
}

/// Addresses of metadata services that no link-local range covers.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// What may be connected to: public addresses, and the networks that are named besides.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    networks: Arc<[Network]>,
}

/// An address that is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is a {} address, which this server may not call{}", range.word(), range.flag())]
pub struct Refused {
    address: IpAddr,
    range: Range,
}

impl Guard {
    /// Public addresses, and those in these networks. A metadata service's address is refused in any case.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self { networks: networks.into() }
    }

    /// This host, besides public addresses: for development.
    #[must_use]
    pub fn with_loopback() -> Self {
        let v4 = Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), bits: 8 };
        let v6 = Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 };
        Self::new(vec![v4, v6])
    }

    /// Says whether an address may be connected to.
    ///
    /// # Errors
    /// Which range it is of, if not.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let Some(range) = range(address) else { return Ok(()) };
        let is_named = || self.networks.iter().any(|network| network.contains(address));
        if range != Range::Metadata && is_named() { Ok(()) } else { Err(Refused { address, range }) }
    }

    /// The same for an address that the node's own list names: who runs the node says so of that very one.
    ///
    /// # Errors
    /// If it is a metadata service's, or none that a connection can be made to.
    pub fn check_named(&self, address: IpAddr) -> Result<(), Refused> {
        match range(address) {
            None | Some(Range::Loopback | Range::Private | Range::LinkLocal) => Ok(()),
            Some(Range::Metadata | Range::Multicast | Range::Reserved) => self.check(address),
        }
    }

    /// The addresses of a name that may be connected to.
    pub(crate) async fn resolve_name(self, name: String) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
        let mut refused = None;
        let mut allowed = Vec::with_capacity(found.len());
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(why) => refused = Some(why),
            }
        }
        match refused {
            // What answers with both tries to get past this.
            Some(why) => Err(Box::new(why)),
            None if allowed.is_empty() => {
                Err(Box::new(io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
            }
            None => Ok(Box::new(allowed.into_iter())),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().resolve_name(name.as_str().to_owned()))
    }
}

/// The range of an address that is not public; none if it is. An IPv4 address in an IPv6 one counts as what it is.
#[must_use]
pub fn range(address: IpAddr) -> Option<Range> {
    if METADATA.contains(&address) {
        return Some(Range::Metadata);
    }
    match address {
        IpAddr::V4(address) => range_v4(address),
        IpAddr::V6(address) => match inner(address) {
            Some(inner) => range(IpAddr::V4(inner)),
            None => range_v6(address),
        },
    }
}

fn range_v4(address: Ipv4Addr) -> Option<Range> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (127, ..) => Range::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Range::Private,
        (169, 254, _) => Range::LinkLocal,
        (224..=239, ..) => Range::Multicast,
        // This network, IETF assignments, documentation, 6to4 relays, AMT and AS112, benchmarks, reserved, broadcast.
        (0 | 240..=255, ..)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (192, 31, 196)
        | (192, 52, 193)
        | (192, 175, 48)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => Range::Reserved,
        _ => return None,
    })
}

fn range_v6(address: Ipv6Addr) -> Option<Range> {
    let [first, second, ..] = address.segments();
    Some(match (first, second) {
        _ if address == Ipv6Addr::LOCALHOST => Range::Loopback,
        (0xfc00..=0xfdff, _) => Range::Private,
        // With the site-local ones of old.
        (0xfe80..=0xfeff, _) => Range::LinkLocal,
        (0xff00..=0xffff, _) => Range::Multicast,
        // IETF assignments, Teredo and documentation among them, and whatever is not global unicast.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) | (0..=0x1fff | 0x4000..=0xfbff | 0xfe00..=0xfe7f, _) => {
            Range::Reserved
        }
        _ => return None,
    })
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, translated (RFC 6052, RFC 8215, RFC 2765), 6to4.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        // Unspecified and loopback look like compatible ones.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0 | 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V6(v6) if self.address.is_ipv4() => inner(v6).map_or(address, IpAddr::V4),
            IpAddr::V4(_) | IpAddr::V6(_) => address,
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                shares(u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96, self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => shares(own.to_bits(), other.to_bits(), self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether the first bits are the same.
fn shares(one: u128, other: u128, bits: u8) -> bool {
    (one ^ other).leading_zeros() >= u32::from(bits)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.chars().take(64).collect());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok().ok_or_else(wrong)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 =
            bits.map_or(Some(most), |bits| bits.parse().ok()).filter(|bits| *bits <= most).ok_or_else(wrong)?;
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every address, and which range it is of.
    const TABLE: &[(&str, Option<Range>)] = &[
        ("1.1.1.1", None),
        ("8.8.8.8", None),
        ("172.15.255.255", None),
        ("172.32.0.0", None),
        ("100.63.255.255", None),
        ("100.128.0.0", None),
        ("192.167.255.255", None),
        ("198.20.0.0", None),
        ("223.255.255.255", None),
        ("2606:4700:4700::1111", None),
        ("2001:200::1", None),
        ("2a00:1450:4001::200e", None),
        ("127.0.0.1", Some(Range::Loopback)),
        ("127.255.255.254", Some(Range::Loopback)),
        ("::1", Some(Range::Loopback)),
        ("::ffff:127.0.0.1", Some(Range::Loopback)),
        ("::127.0.0.1", Some(Range::Loopback)),
        ("64:ff9b::127.0.0.1", Some(Range::Loopback)),
        ("64:ff9b:1::7f00:1", Some(Range::Loopback)),
        ("::ffff:0:127.0.0.1", Some(Range::Loopback)),
        ("2002:7f00:1::", Some(Range::Loopback)),
        ("10.0.0.1", Some(Range::Private)),
        ("172.16.0.1", Some(Range::Private)),
        ("172.31.255.255", Some(Range::Private)),
        ("192.168.1.1", Some(Range::Private)),
        ("100.64.0.1", Some(Range::Private)),
        ("::ffff:10.0.0.1", Some(Range::Private)),
        ("64:ff9b::a00:1", Some(Range::Private)),
        ("2002:c0a8:101::1", Some(Range::Private)),
        ("fc00::1", Some(Range::Private)),
        ("fdff:ffff::1", Some(Range::Private)),
        ("169.254.0.1", Some(Range::LinkLocal)),
        ("fe80::1", Some(Range::LinkLocal)),
        ("fec0::1", Some(Range::LinkLocal)),
        ("169.254.169.254", Some(Range::Metadata)),
        ("::ffff:169.254.169.254", Some(Range::Metadata)),
        ("64:ff9b::a9fe:a9fe", Some(Range::Metadata)),
        ("2002:a9fe:a9fe::", Some(Range::Metadata)),
        ("fd00:ec2::254", Some(Range::Metadata)),
        ("100.100.100.200", Some(Range::Metadata)),
        ("168.63.129.16", Some(Range::Metadata)),
        ("224.0.0.1", Some(Range::Multicast)),
        ("239.255.255.255", Some(Range::Multicast)),
        ("ff02::1", Some(Range::Multicast)),
        ("0.0.0.0", Some(Range::Reserved)),
        ("0.1.2.3", Some(Range::Reserved)),
        ("192.0.0.1", Some(Range::Reserved)),
        ("192.0.2.1", Some(Range::Reserved)),
        ("198.18.0.1", Some(Range::Reserved)),
        ("198.51.100.1", Some(Range::Reserved)),
        ("203.0.113.1", Some(Range::Reserved)),
        ("240.0.0.1", Some(Range::Reserved)),
        ("255.255.255.255", Some(Range::Reserved)),
        ("::", Some(Range::Reserved)),
        ("100::1", Some(Range::Reserved)),
        ("2001::1", Some(Range::Reserved)),
        ("2001:db8::1", Some(Range::Reserved)),
        ("3fff::1", Some(Range::Reserved)),
        ("5f00::1", Some(Range::Reserved)),
    ];

    #[test]
    fn every_address_is_of_its_range() {
        for (address, expected) in TABLE {
            assert_eq!(range(address.parse().unwrap()), *expected, "{address}");
        }
    }

    #[test]
    fn what_is_not_public_is_called_only_where_its_network_is_named() {
        let guard = Guard::default();
        for (address, range) in TABLE {
            assert_eq!(guard.check(address.parse().unwrap()).is_ok(), range.is_none(), "{address}");
        }
        let named = |networks: &[&str]| Guard::new(networks.iter().map(|text| text.parse().unwrap()).collect());
        for (networks, address, may) in [
            (&["10.0.0.0/8"][..], "10.1.2.3", true),
            (&["10.0.0.0/8"], "::ffff:10.1.2.3", true),
            (&["10.1.0.0/16"], "10.2.0.0", false),
            (&["10.0.0.0/8", "fd00::/8"], "fd12::1", true),
            (&["fd00::/8"], "fc12::1", false),
            (&["127.0.0.1"], "127.0.0.1", true),
            (&["127.0.0.1"], "127.0.0.2", false),
            (&["0.0.0.0/0", "::/0"], "169.254.169.254", false),
            (&["0.0.0.0/0", "::/0"], "::ffff:169.254.169.254", false),
            (&["0.0.0.0/0"], "fd00:ec2::254", false),
        ] {
            assert_eq!(named(networks).check(address.parse().unwrap()).is_ok(), may, "{networks:?} {address}");
        }
        let development = Guard::with_loopback();
        for (address, may) in [("127.0.0.1", true), ("::1", true), ("10.0.0.1", false), ("169.254.169.254", false)] {
            assert_eq!(development.check(address.parse().unwrap()).is_ok(), may, "{address}");
        }
        for (address, range) in TABLE {
            let may = range.is_none_or(|range| matches!(range, Range::Loopback | Range::Private | Range::LinkLocal));
            assert_eq!(guard.check_named(address.parse().unwrap()).is_ok(), may, "{address}");
        }
        let why = Guard::default().check("10.0.0.1".parse().unwrap()).unwrap_err();
        let said = "10.0.0.1 is a private address, which this server may not call without --allow-target-network";
        assert_eq!(why.to_string(), said);
        let never = Guard::default().check("169.254.169.254".parse().unwrap()).unwrap_err();
        assert!(never.to_string().ends_with("is a metadata address, which this server may not call"), "{never}");
    }

    #[test]
    fn a_network_is_an_address_and_its_bits() {
        assert_eq!("10.0.0.0/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "a/8", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_name_is_connected_to_where_it_may_be() {
        let resolve = |guard: Guard| guard.resolve_name("localhost".to_owned());
        let refused = resolve(Guard::default()).await.err().unwrap().to_string();
        assert!(refused.contains("is a loopback address"), "{refused}");
        assert!(resolve(Guard::with_loopback()).await.unwrap().all(|found| found.ip().is_loopback()));
    }
}
