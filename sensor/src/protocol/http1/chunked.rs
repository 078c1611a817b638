//! The chunked transfer coding (RFC 9112, section 7.1), one byte range at a time.

/// Longest chunk extension or trailer section that is skipped, in bytes.
const SKIPPED_BYTES_MAX: u32 = 16 * 1024;

/// Where in the coding the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the hexadecimal size; `digits` of it were read.
    Size { value: u64, digits: u8 },
    /// Behind the size, up to the end of its line.
    Extension { value: u64, skipped: u32 },
    /// At the line feed of the size line.
    SizeLf { value: u64 },
    /// In the data, this many bytes are left.
    Data { left: u64 },
    /// At the line end after the data.
    DataCr,
    /// At the line feed after the data.
    DataLf,
    /// In the trailer section; `line` bytes of the line were read.
    Trailer { line: u32, skipped: u32 },
    /// Bytes were lost: out of step until a segment starts with a chunk.
    Seek,
}

/// What a step took off the front of the bytes.
pub(super) struct Step<'b> {
    /// Body bytes.
    pub(super) data: &'b [u8],
    /// What is left of the bytes.
    pub(super) rest: &'b [u8],
    /// The body ends here.
    pub(super) end: bool,
}

impl Chunks {
    pub(super) const START: Self = Self::Size {
        value: 0,
        digits: 0,
    };

    /// Reads up to the next piece of data, the end of the body, or the end of the bytes.
    pub(super) fn step<'b>(&mut self, mut bytes: &'b [u8]) -> Result<Step<'b>, &'static str> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Self::Data { left } = self {
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let (data, rest) = bytes.split_at(take);
                *left -= take as u64;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                return Ok(Step {
                    data,
                    rest,
                    end: false,
                });
            }
            if matches!(self, Self::Seek) {
                return Ok(Step {
                    data: &[],
                    rest: &[],
                    end: false,
                });
            }
            bytes = rest;
            match self.after(byte)? {
                Some(next) => *self = next,
                None => {
                    return Ok(Step {
                        data: &[],
                        rest,
                        end: true,
                    });
                }
            }
        }
        Ok(Step {
            data: &[],
            rest: &[],
            end: false,
        })
    }

    /// Where one byte of framing leads; none at the end of the body.
    fn after(self, byte: u8) -> Result<Option<Self>, &'static str> {
        Ok(Some(match self {
            Self::Size { value, digits } => return size(value, digits, byte).map(Some),
            Self::Extension { value, skipped } => match byte {
                b'\r' => Self::SizeLf { value },
                b'\n' => return Err("bad_chunk"),
                _ if skipped >= SKIPPED_BYTES_MAX => return Err("chunk_extension_too_long"),
                _ => Self::Extension {
                    value,
                    skipped: skipped + 1,
                },
            },
            Self::SizeLf { value } => match (byte, value) {
                (b'\n', 0) => Self::Trailer {
                    line: 0,
                    skipped: 0,
                },
                (b'\n', left) => Self::Data { left },
                _ => return Err("bad_chunk"),
            },
            Self::DataCr if byte == b'\r' => Self::DataLf,
            Self::DataLf if byte == b'\n' => Self::START,
            Self::DataCr | Self::DataLf => return Err("bad_chunk"),
            Self::Trailer { line, skipped } => match byte {
                b'\n' if line == 0 => return Ok(None),
                b'\n' => Self::Trailer { line: 0, skipped },
                b'\r' => self,
                _ if skipped >= SKIPPED_BYTES_MAX => return Err("trailers_too_long"),
                _ => Self::Trailer {
                    line: line + 1,
                    skipped: skipped + 1,
                },
            },
            Self::Data { .. } | Self::Seek => self,
        }))
    }

    /// Skips `lost` bytes that did not get here; out of step if they reach past this chunk.
    pub(super) fn gap(&mut self, lost: u64) {
        *self = match *self {
            Self::Data { left } if lost < left => Self::Data { left: left - lost },
            Self::Data { left } if lost == left => Self::DataCr,
            Self::Data { left } if lost - left == 1 => Self::DataLf,
            // The writer's call held the chunk and its line end, as servers write them.
            Self::Data { left } if lost - left == 2 => Self::START,
            _ => Self::Seek,
        };
    }
}

/// Does a segment start with a chunk? Gives the bytes behind its size line.
pub(super) fn chunk_start(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let rest = bytes.get(digits..)?;
    if (1..=8).contains(&digits) {
        rest.strip_prefix(b"\r\n")
    } else {
        None
    }
}

fn size(value: u64, digits: u8, byte: u8) -> Result<Chunks, &'static str> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ if digits == 0 => return Err("bad_chunk"),
        b'\r' => return Ok(Chunks::SizeLf { value }),
        b';' | b' ' | b'\t' => return Ok(Chunks::Extension { value, skipped: 0 }),
        _ => return Err("bad_chunk"),
    };
    // 15 digits are 2^60: more bytes than anybody moves, and no overflow.
    if digits >= 15 {
        return Err("chunk_too_long");
    }
    Ok(Chunks::Size {
        value: value << 4 | u64::from(digit),
        digits: digits + 1,
    })
}
