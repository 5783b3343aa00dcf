//! Web addresses.

/// Returns whether `value` is an `http` or `https` URL with a host and without spaces, control characters and quotes.
pub fn is_valid(value: &str) -> bool {
    let prefixed = |scheme: &str| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let Some(scheme) = ["https://", "http://"].into_iter().find(|scheme| prefixed(scheme)) else {
        return false;
    };
    let rest = &value[scheme.len()..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host_and_port = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host_and_port, ""),
    };
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c);
    !host.is_empty() && (port.is_empty() || port.parse::<u16>().is_ok()) && !value.chars().any(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_with_a_host() {
        for good in ["http://a", "HTTPS://a.de:8443/x?y#z", "https://[::1]:80/", "https://пример.рф/я", "http://u:p@h/"]
        {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "ftp://a",
            "https://",
            "https:///x",
            "http://?q",
            "http://:80",
            "http://a:99999",
            "a.de",
            "http://a b",
            "http://a\n",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
