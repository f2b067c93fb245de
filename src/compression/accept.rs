// SPDX-License-Identifier: Apache-2.0
//! Which coding a client takes best (RFC 9110, section 12.5.3).

use http::HeaderMap;
use http::header;

use super::eligible::list;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Gzip,
    Brotli,
}

impl Coding {
    /// Where a client takes several alike, the first of these. At the levels chosen here all three make about the same
    /// of a text, zstd in a third of gzip's time and brotli in more than twice that; `docs/design.md` has the figures.
    const BY_PREFERENCE: [Self; 3] = [Self::Zstd, Self::Gzip, Self::Brotli];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn is_called(self, name: &str) -> bool {
        let is_old_name = self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip");
        is_old_name || name.eq_ignore_ascii_case(self.name())
    }
}

/// A quality in thousandths.
type Quality = u16;

/// The coding that the client takes best, if it takes one and does not like the bare bytes better.
pub(super) fn choose(headers: &HeaderMap) -> Option<Coding> {
    let wishes: Vec<(&str, Quality)> = list(headers, &header::ACCEPT_ENCODING).map(parse).collect();
    let of = |is_meant: &dyn Fn(&str) -> bool| {
        let wish = wishes.iter().find(|(name, _)| is_meant(name));
        wish.map(|&(_, quality)| quality)
    };
    let others = of(&|name| name == "*").unwrap_or(0);
    let bare = of(&|name| name.eq_ignore_ascii_case("identity")).unwrap_or(0);
    let mut best = None;
    let mut least = bare.max(1);
    for coding in Coding::BY_PREFERENCE {
        let quality = of(&|name| coding.is_called(name)).unwrap_or(others);
        if quality >= least {
            best = Some(coding);
            least = quality + 1;
        }
    }
    best
}

/// A name and its quality. One that cannot be read is none: bytes that a client cannot read are worse than long ones.
fn parse(item: &str) -> (&str, Quality) {
    let Some((name, parameter)) = item.split_once(';') else {
        return (item, 1000);
    };
    let value = parameter
        .trim()
        .strip_prefix(['q', 'Q'])
        .and_then(|rest| rest.trim_start().strip_prefix('='));
    (
        name.trim_end(),
        value.and_then(|value| quality(value.trim())).unwrap_or(0),
    )
}

/// `0`, `1`, and up to three decimals between them.
fn quality(text: &str) -> Option<Quality> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1")
        || decimals.len() > 3
        || !decimals.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let thousandths: Quality = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn chosen(lines: &[&'static str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        choose(&headers).map(Coding::name)
    }

    #[test]
    fn the_best_quality_wins_and_the_servers_order_among_equals() {
        for (accepted, coding) in [
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("br, deflate, gzip", Some("gzip")),
            ("br", Some("br")),
            ("gzip", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("GZIP;Q=0.5", Some("gzip")),
            ("gzip;q=0.8, br;q=0.7, zstd;q=0.1", Some("gzip")),
            ("gzip ; q=0.9 , br ; q=0.901", Some("br")),
            ("gzip;q=1.000, br;q=0.999", Some("gzip")),
            ("zstd;q=0, gzip", Some("gzip")),
            ("deflate", None),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("", None),
        ] {
            assert_eq!(chosen(&[accepted]), coding, "{accepted:?}");
        }
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_star_stands_for_what_is_not_named() {
        for (accepted, coding) in [
            ("*", Some("zstd")),
            ("*;q=0.1", Some("zstd")),
            ("zstd;q=0, *", Some("gzip")),
            ("zstd;q=0, gzip;q=0.5, *", Some("br")),
            ("gzip;q=0.5, *;q=0.1", Some("gzip")),
            ("gzip, *;q=0", Some("gzip")),
            ("*;q=0", None),
        ] {
            assert_eq!(chosen(&[accepted]), coding, "{accepted:?}");
        }
    }

    #[test]
    fn the_bare_bytes_may_be_liked_better_or_not_at_all() {
        for (accepted, coding) in [
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip", Some("gzip")),
            ("identity, gzip", Some("gzip")),
            ("identity;q=0, br;q=0.1", Some("br")),
            ("identity;q=0", None),
            ("identity;q=0, *;q=0", None),
        ] {
            assert_eq!(chosen(&[accepted]), coding, "{accepted:?}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        assert_eq!(chosen(&["gzip;q=0.5", "br;q=0.6, zstd;q=0"]), Some("br"));
    }

    #[test]
    fn what_cannot_be_read_is_no_wish() {
        for accepted in [
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.1234",
            "gzip;q=-1",
            "gzip;q=.5",
            "gzip;q",
            "gzip;q=",
            "gzip;level=9",
            "gzip;q=+1",
            "gzip br",
            ",,;",
        ] {
            assert_eq!(chosen(&[accepted]), None, "{accepted:?}");
        }
    }
}
