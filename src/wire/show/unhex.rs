//! Hexadecimal as people have it: bare, with colons or spaces, or pasted from a hex dump.

/// The bytes that a text of hexadecimal digits stands for. Spaces, colons, dashes, commas and `0x` between bytes are passed over;
/// of the lines of a hex dump (tcpdump -X, Wireshark, `xxd`, Scapy's and ours) offset and text are, too.
///
/// # Errors
/// What is wrong, in words.
pub fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // Between the lines of our own dumps stand brackets with the names of the layers.
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['└', '─'])) {
        let digits = match dump(line, bytes.len()) {
            Some(digits) => digits,
            None => line,
        };
        digits_of(digits, &mut bytes)?;
    }
    Ok(bytes)
}

/// The hexadecimal part of a line of a hex dump: one that begins with the offset which it should have.
fn dump(line: &str, offset: usize) -> Option<&str> {
    let line = line.trim_start();
    let (first, rest) = line.split_once([' ', '\t'])?;
    let number = first.strip_prefix("0x").unwrap_or(first);
    let number = number.strip_suffix(':').unwrap_or(number);
    if number.len() < 4 || usize::from_str_radix(number, 16).ok()? != offset {
        return None;
    }
    // A bare 0000 may be two bytes: in a dump two spaces or a colon come behind the offset.
    if !first.ends_with(':') && !rest.starts_with([' ', '\t']) {
        return None;
    }
    // The text stands behind two spaces again; a dump's gap in the middle has more digits behind it.
    let rest = rest.trim_start();
    let mut end = 0;
    let mut at = 0;
    for part in rest.split(' ') {
        let group = !part.is_empty()
            && part.len() <= 8
            && part.len() % 2 == 0
            && part.bytes().all(|b| b.is_ascii_hexdigit());
        // At most two empty parts in a row, and at most 16 bytes: what comes then is text.
        if !part.is_empty() && !group {
            break;
        }
        at += part.len() + 1;
        if group {
            if rest[..at - 1].bytes().filter(u8::is_ascii_hexdigit).count() > 32 {
                break;
            }
            end = at - 1;
        } else if rest[end..at - 1].len() > 2 {
            break;
        }
    }
    rest.get(..end)
}

fn digits_of(text: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    for word in
        text.split(|c: char| c.is_whitespace() || matches!(c, ':' | '-' | ',')).filter(|w| !w.is_empty())
    {
        let digits =
            word.strip_prefix("0x").or_else(|| word.strip_prefix("\\x")).unwrap_or(word).replace("\\x", "");
        if let Some(wrong) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("`{}` is no hexadecimal digit", wrong.escape_debug()));
        }
        if digits.len() % 2 != 0 {
            return Err(format!("`{digits}` has an odd number of digits: two are a byte"));
        }
        for pair in digits.as_bytes().chunks(2) {
            let digit = |at: usize| pair.get(at).and_then(|b| char::from(*b).to_digit(16)).unwrap_or(0) as u8;
            bytes.push(digit(0) << 4 | digit(1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 20] = *b"E\0\0\x14 hello, world! x";

    #[test]
    fn bare_digits() {
        for text in [
            "45000014",
            "45 00 00 14",
            "45:00:00:14",
            "0x45, 0x00, 0x00, 0x14",
            "\\x45\\x00\\x00\\x14",
            "4500\n0014\n",
        ] {
            assert_eq!(unhex(text), Ok(vec![0x45, 0, 0, 0x14]), "{text}");
        }
        assert_eq!(unhex("0000 4500"), Ok(vec![0, 0, 0x45, 0]));
        assert_eq!(unhex(""), Ok(vec![]));
        assert!(unhex("45 0").unwrap_err().contains("odd"));
        assert!(unhex("45 0g").unwrap_err().contains("`g`"));
        assert!(unhex("é").is_err());
    }

    #[test]
    fn dumps_of_other_programs() {
        for (who, text) in [
            (
                "tcpdump -X",
                "\t0x0000:  4500 0014 2068 656c 6c6f 2c20 776f 726c  E....hello,.worl\n\t0x0010:  6421 2078                                d!.x",
            ),
            (
                "xxd",
                "00000000: 4500 0014 2068 656c 6c6f 2c20 776f 726c  E... hello, worl\n00000010: 6421 2078                                d! x",
            ),
            (
                "hexdump -C",
                "00000000  45 00 00 14 20 68 65 6c  6c 6f 2c 20 77 6f 72 6c  |E... hello, worl|\n00000010  64 21 20 78                                       |d! x|",
            ),
            (
                "Scapy",
                "0000  45 00 00 14 20 68 65 6C 6C 6F 2C 20 77 6F 72 6C  E... hello, worl\n0010  64 21 20 78                                      d! x",
            ),
        ] {
            assert_eq!(unhex(text).as_deref(), Ok(&BYTES[..]), "{who}");
        }
    }
}
