// SPDX-License-Identifier: Apache-2.0
//! The maps that front ends make of a query, and the percent decoding that some of them do.

use std::collections::BTreeMap;

/// What a front end does with the percent escapes of names and values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Escapes {
    Kept,
    Decoded,
}

/// Whether `+` stands for a space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plus {
    Literal,
    Space,
}

fn pairs(query: &str, escapes: Escapes) -> impl Iterator<Item = (String, String)> {
    let text = move |text: &str| match escapes {
        Escapes::Kept => text.to_owned(),
        Escapes::Decoded => decode(text, Plus::Space),
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (text(name), text(value))
        })
}

/// Decoded parameters in the order of first appearance, the values of a repeated name joined with a comma.
pub(super) fn joined(query: &str) -> Vec<(String, String)> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs(query, Escapes::Decoded) {
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => parameters.push((name, value)),
        }
    }
    parameters
}

/// All values of each name. The order of the names is lost, as on the service.
pub(super) fn multi(query: &str, escapes: Escapes) -> BTreeMap<String, Vec<String>> {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs(query, escapes) {
        parameters.entry(name).or_default().push(value);
    }
    parameters
}

/// The last value of each name, of headers or of a query.
pub(super) fn last(multi: &BTreeMap<String, Vec<String>>) -> BTreeMap<&str, &str> {
    multi
        .iter()
        .filter_map(|(name, values)| Some((name.as_str(), values.last()?.as_str())))
        .collect()
}

/// Undoes percent encoding; what is no escape stays, what is no UTF-8 is replaced.
pub(super) fn decode(encoded: &str, plus: Plus) -> String {
    let hex = |byte: Option<&u8>| {
        byte.and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = if byte == b'%' {
            hex(bytes.get(at + 1)).zip(hex(bytes.get(at + 2)))
        } else {
            None
        };
        if let Some((high, low)) = escape {
            decoded.push(high * 16 + low);
            at += 3;
        } else {
            decoded.push(if byte == b'+' && plus == Plus::Space {
                b' '
            } else {
                byte
            });
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_escapes_survive_decoding() {
        for (encoded, decoded) in [
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("a%20b", "a b"),
            ("%C3%A9", "é"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decode(encoded, Plus::Literal), decoded, "{encoded}");
        }
    }

    #[test]
    fn odd_parameters_are_kept() {
        assert_eq!(
            joined("flag&a=1&&a=2&=x"),
            [
                ("flag".into(), String::new()),
                ("a".into(), "1,2".into()),
                (String::new(), "x".into()),
            ]
        );
        let parameters = multi("b=a+b&a=%2B&b=x%20y&flag", Escapes::Kept);
        let parameters: Vec<_> = parameters.into_iter().collect();
        assert_eq!(
            parameters,
            [
                ("a".into(), vec!["%2B".into()]),
                ("b".into(), vec!["a+b".into(), "x%20y".into()]),
                ("flag".into(), vec![String::new()]),
            ]
        );
        let decoded = multi("b=a+b&b=%2B", Escapes::Decoded);
        assert_eq!(decoded["b"], ["a b", "+"]);
        assert_eq!(last(&decoded)["b"], "+");
    }
}
