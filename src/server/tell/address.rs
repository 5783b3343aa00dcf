//! Address: where webhooks may lead. An operator names the URL, but a name can come to mean another machine at any time, so each attempt checks
//! the addresses that it connects to.

use hyper::Uri;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest URL of a webhook, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// IPv4 addresses that are no machine's on the internet (RFC 6890): private, shared, loopback, link-local, documentation, multicast, …
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// The IPv6 addresses of machines on the internet.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Those among them that are none: for protocols (Teredo), documentation, and 6to4, which leads to an IPv4 address.
const SPECIAL_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits)
}

/// Checks whether something may be sent to an address. The error says what is in the way.
pub fn check(address: IpAddr, is_https: bool, allow: &[IpNet]) -> Result<(), &'static str> {
    let address = address.to_canonical();
    match () {
        () if allow.iter().any(|net| net.contains(&address)) => Ok(()),
        () if !is_public(address) => {
            Err("its host has a private address; `allow` in [webhooks] of the configuration can name it")
        }
        () if !is_https => Err(
            "it must begin with https://; http:// is only for addresses that `allow` in [webhooks] of the configuration names",
        ),
        () => Ok(()),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|net| net.contains(&address)),
    }
}

/// Checks the URL of a new webhook, as far as that can be said without asking what addresses its host has. The error says what is wrong with it.
pub fn check_url(url: &str, allow: &[IpNet]) -> Result<(), String> {
    if url.len() > URL_BYTES_MAX {
        return Err(format!("the URL must not be longer than {URL_BYTES_MAX} bytes"));
    }
    let expected = "the URL must be like https://example.com/events";
    let parsed: Uri = url.parse().map_err(|_| expected)?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (parsed.scheme_str(), parsed.authority()) else {
        return Err(expected.into());
    };
    if authority.as_str().contains('@') {
        return Err("the URL must not have a user name or a password; the signature says who sends".into());
    }
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let checked = match host.parse::<IpAddr>() {
        Ok(address) => check(address, scheme == "https", allow),
        // What a name means is checked when something is sent.
        Err(_) if scheme == "http" && allow.is_empty() => check(IpAddr::from([1, 1, 1, 1]), false, allow),
        Err(_) => Ok(()),
    };
    checked.map_err(|what| format!("nothing can be sent to {url}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_refused_unless_they_are_allowed() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "2001::1",
            "2002:a00:1::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "ff02::1",
        ] {
            let address: IpAddr = private.parse().unwrap();
            assert!(check(address, true, &[]).is_err(), "{private}");
            let allow = [IpNet::from(address.to_canonical())];
            assert_eq!((check(address, true, &allow), check(address, false, &allow)), (Ok(()), Ok(())), "{private}");
        }
        for public in
            ["1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700:4700::1111", "2a00::1"]
        {
            let address = public.parse().unwrap();
            assert_eq!(check(address, true, &[]), Ok(()), "{public}");
            assert!(check(address, false, &[]).unwrap_err().contains("https://"), "{public}");
        }
    }

    #[test]
    fn a_url_is_checked_before_it_is_stored() {
        let allow: [IpNet; 1] = ["10.0.0.0/8".parse().unwrap()];
        for url in [
            "https://example.com/a?b=c",
            "https://1.1.1.1:8443/",
            "https://[2606:4700:4700::1111]/",
            "http://10.0.0.1/x",
            "http://inside.example/",
        ] {
            assert_eq!(check_url(url, &allow), Ok(()), "{url}");
        }
        let long = format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX));
        for (url, message) in [
            ("", "must be like"),
            ("example.com", "must be like"),
            ("/events", "must be like"),
            ("ftp://example.com/", "must be like"),
            ("file:///etc/passwd", "must be like"),
            ("https://me:secret@example.com/", "user name"),
            ("https://127.0.0.1/", "private address"),
            ("https://[::ffff:127.0.0.1]/", "private address"),
            ("https://[::1]:8443/", "private address"),
            ("http://1.1.1.1/", "https://"),
            (&long, "2048"),
        ] {
            let error = check_url(url, &allow).unwrap_err();
            assert!(error.contains(message), "{url}: {error}");
        }
        assert!(check_url("http://example.com/", &[]).unwrap_err().contains("https://"));
    }
}
