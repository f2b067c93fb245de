// SPDX-License-Identifier: Apache-2.0
//! Trace context: from the header that X-Ray writes to the one that W3C has standardised. Pure.

/// `traceparent` (W3C Trace Context, section 3.2) for an X-Ray header such as
/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`. `None` where it has no root or no
/// parent, without which no valid one can be made.
pub(crate) fn traceparent(x_ray: &str) -> Option<String> {
    let field = |name: &str| {
        let mut fields = x_ray
            .split(';')
            .filter_map(|field| field.trim().split_once('='));
        fields
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let (time, random) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
    let parent = field("Parent")?;
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !is_hex(time, 8) || !is_hex(random, 24) || !is_hex(parent, 16) {
        return None;
    }
    let flags = if field("Sampled") == Some("1") {
        "01"
    } else {
        "00"
    };
    Some(format!("00-{time}{random}-{parent}-{flags}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_x_ray_header_becomes_a_traceparent() {
        let root = "Root=1-6A8F3C21-4d1e7b0a95c2f8e3a6b47d10";
        let id = "00-6a8f3c214d1e7b0a95c2f8e3a6b47d10-53995c3f42cd8ad8";
        for (header, flags) in [
            ("Sampled=1", "01"),
            ("Sampled=0", "00"),
            ("Sampled=?", "00"),
            ("Lineage=1:a:0", "00"),
        ] {
            let header = format!("{root}; Parent=53995c3f42cd8ad8;{header}");
            assert_eq!(traceparent(&header), Some(format!("{id}-{flags}")));
        }
    }

    #[test]
    fn without_root_or_parent_there_is_none() {
        for header in [
            "",
            "Root=1-6a8f3c21-4d1e7b0a95c2f8e3a6b47d10",
            "Parent=53995c3f42cd8ad8",
            "Root=2-a-b;Parent=c",
        ] {
            assert_eq!(traceparent(header), None, "{header:?}");
        }
    }
}
