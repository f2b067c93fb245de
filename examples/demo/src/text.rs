// SPDX-License-Identifier: Apache-2.0
//! The text that the page shows, cut into tokens, and the pace at which they are made.

use std::time::Duration;

/// The time between two tokens: about that of a language model that answers at a comfortable reading speed.
pub(crate) const PACE: Duration = Duration::from_millis(65);

const TEXT: &str = "You are watching one small web app give the same answer twice. It makes the words at the same pace \
    both times, about fifteen in a second. Streamed, each word leaves the app the moment it exists, crosses the adapter \
    untouched and lands here. Buffered, all of them wait for the last one. Nothing was made faster: the waiting was taken \
    out of the way.";

/// The text's tokens: words, each with the space before it, so that joined they are the text again.
pub(crate) fn tokens() -> impl Iterator<Item = &'static str> {
    let mut rest = TEXT;
    std::iter::from_fn(move || {
        // The first byte is part of the token, be it a space or not; the next space begins the next one.
        let end = rest.get(1..)?.find(' ').map_or(rest.len(), |at| at + 1);
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some(token)
    })
}

/// How long it takes to make the whole text.
pub(crate) fn duration() -> Duration {
    tokens().map(|_| PACE).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_joined_are_the_text() {
        assert_eq!(tokens().collect::<String>(), TEXT);
    }

    #[test]
    fn a_token_is_one_word() {
        for token in tokens() {
            assert_eq!(token.split_whitespace().count(), 1, "{token:?}");
        }
    }
}
