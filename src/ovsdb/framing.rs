//! Cuts a byte stream into JSON objects. Every byte is looked at once, whatever the chunks.

use memchr::{memchr2, memchr3};

use super::event::ConnectionError;

/// Objects in objects that OVSDB ever needs is five; this leaves room for extensions.
const MAX_DEPTH: u32 = 64;

/// Remembers how far the front of the buffer has been scanned.
#[derive(Debug, Default)]
pub(super) struct Framing {
    scanned: usize,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Framing {
    /// Length of the first whole message in `buffer`, if there is one. The caller then removes that
    /// many bytes; otherwise it calls again with the same bytes and more behind them.
    ///
    /// # Errors
    /// Something else than an object, nesting beyond reason, or more than `limit` bytes.
    pub(super) fn scan(
        &mut self,
        buffer: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, ConnectionError> {
        while let Some(rest) = buffer.get(self.scanned..).filter(|rest| !rest.is_empty()) {
            if self.in_string {
                self.skip_string(rest);
            } else if self.depth == 0 {
                self.open(rest)?;
            } else if self.skip_structure(rest)? {
                let length = self.scanned;
                *self = Self::default();
                return if length > limit {
                    Err(ConnectionError::TooLarge(limit))
                } else {
                    Ok(Some(length))
                };
            }
        }
        if buffer.len() > limit {
            return Err(ConnectionError::TooLarge(limit));
        }
        Ok(None)
    }

    /// Between messages only white space is allowed.
    fn open(&mut self, rest: &[u8]) -> Result<(), ConnectionError> {
        match rest.first() {
            Some(b' ' | b'\t' | b'\r' | b'\n') => {}
            Some(b'{') => self.depth = 1,
            other => {
                let byte = char::from(other.copied().unwrap_or_default());
                let text = format!("{byte:?} where a message should begin with '{{'");
                return Err(ConnectionError::Malformed(text));
            }
        }
        self.scanned += 1;
        Ok(())
    }

    /// Skips to behind the closing quote, or as far as the bytes go.
    fn skip_string(&mut self, rest: &[u8]) {
        if std::mem::take(&mut self.escaped) {
            self.scanned += 1;
            return;
        }
        match memchr2(b'"', b'\\', rest) {
            None => self.scanned += rest.len(),
            Some(at) if rest.get(at) == Some(&b'"') => {
                self.in_string = false;
                self.scanned += at + 1;
            }
            Some(at) => {
                self.escaped = true;
                self.scanned += at + 1;
            }
        }
    }

    /// True behind the brace that closes the message.
    fn skip_structure(&mut self, rest: &[u8]) -> Result<bool, ConnectionError> {
        let Some(at) = memchr3(b'"', b'{', b'}', rest) else {
            self.scanned += rest.len();
            return Ok(false);
        };
        self.scanned += at + 1;
        match rest.get(at) {
            Some(b'"') => self.in_string = true,
            Some(b'{') => self.depth += 1,
            _ => self.depth -= 1,
        }
        if self.depth > MAX_DEPTH {
            return Err(ConnectionError::Malformed(format!(
                "nested deeper than {MAX_DEPTH}"
            )));
        }
        Ok(self.depth == 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `chunks` as a connection would; returns the messages.
    fn frame(chunks: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, ConnectionError> {
        let (mut framing, mut buffer, mut messages) = (Framing::default(), Vec::new(), Vec::new());
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            while let Some(length) = framing.scan(&buffer, limit)? {
                messages.push(buffer.drain(..length).collect());
            }
        }
        Ok(messages)
    }

    proptest! {
        #[test]
        fn messages_come_out_whole_however_they_are_cut(
            texts in prop::collection::vec(".{0,20}", 1..6),
            size in 1_usize..40,
        ) {
            let messages: Vec<String> =
                texts.iter().map(|text| serde_json::json!({"a": [{"}": text}], text: {}}).to_string()).collect();
            let stream = messages.concat().into_bytes();
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            let framed = frame(&chunks, 1 << 20).unwrap();
            prop_assert_eq!(framed, messages.iter().map(|m| m.clone().into_bytes()).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_an_error_or_messages_but_never_a_panic(
            bytes in prop::collection::vec(prop::sample::select(b"{}\"\\[]:,a \n".to_vec()), 0..200),
            size in 1_usize..20,
        ) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            let whole = frame(&[&bytes], 1 << 20);
            let cut = frame(&chunks, 1 << 20);
            prop_assert_eq!(whole.is_ok(), cut.is_ok());
            if let (Ok(whole), Ok(cut)) = (whole, cut) {
                prop_assert_eq!(whole, cut);
            }
        }
    }

    #[test]
    fn too_large_a_message_is_refused_before_it_is_whole() {
        let error = frame(&[b"{\"a\":\"", &[b'x'; 100]], 64).unwrap_err();
        assert!(matches!(error, ConnectionError::TooLarge(64)));
    }

    #[test]
    fn nesting_is_bounded() {
        let error = frame(&[&[b'{'; 1000]], 1 << 20).unwrap_err();
        assert!(
            error.to_string().contains("nested deeper than 64"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_object_is_refused_at_once() {
        let error = frame(&[b"HTTP/1.1 400 Bad Request"], 1 << 20).unwrap_err();
        assert!(error.to_string().contains("'H'"), "{error}");
    }
}
