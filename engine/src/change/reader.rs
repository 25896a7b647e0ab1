//! A cursor over untrusted bytes, and the numbers in them.

use super::ChangeError;

/// Reads from the front of a slice. Numbers must be in their shortest form (LEB128, as in DWARF 4,
/// section 7.6, and WebAssembly 1.0, section 5.2.2).
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// What is being read, for errors.
    part: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], part: &'static str) -> Self {
        Self { rest: bytes, part }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn malformed(&self) -> ChangeError {
        ChangeError::Malformed(self.part)
    }

    pub(super) fn byte(&mut self) -> Result<u8, ChangeError> {
        let (&byte, rest) = self.rest.split_first().ok_or(self.malformed())?;
        self.rest = rest;
        Ok(byte)
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], ChangeError> {
        let length = usize::try_from(length).map_err(|_| self.malformed())?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(self.malformed())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, ChangeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.malformed());
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let overlong = byte == 0 && shift > 0;
                return if overlong {
                    Err(self.malformed())
                } else {
                    Ok(value)
                };
            }
        }
        Err(self.malformed())
    }

    pub(super) fn signed(&mut self) -> Result<i64, ChangeError> {
        let mut value = 0i64;
        let mut before = 0u8;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            // The tenth byte holds the last bit and its sign, nothing else.
            if shift == 63 && byte != 0 && byte != 0x7f {
                return Err(self.malformed());
            }
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let sign = byte & 0x40 != 0;
                // A last byte that only repeats the sign of the one before could be left out.
                let overlong = shift > 0
                    && ((byte == 0 && before & 0x40 == 0) || (byte == 0x7f && before & 0x40 != 0));
                if overlong {
                    return Err(self.malformed());
                }
                if sign && shift + 7 < 64 {
                    value |= -1 << (shift + 7);
                }
                return Ok(value);
            }
            before = byte;
        }
        Err(self.malformed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(bytes: &[u8]) -> Result<u64, ChangeError> {
        Reader::new(bytes, "test").unsigned()
    }

    fn signed(bytes: &[u8]) -> Result<i64, ChangeError> {
        Reader::new(bytes, "test").signed()
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(unsigned(&[0]), Ok(0));
        assert_eq!(unsigned(&[0xe5, 0x8e, 0x26]), Ok(624_485));
        let max = [&[0xff; 9][..], &[1]].concat();
        assert_eq!(unsigned(&max), Ok(u64::MAX));
        assert!(unsigned(&[&[0xff; 9][..], &[2]].concat()).is_err());
        assert!(unsigned(&[0x80, 0]).is_err());
        assert!(unsigned(&[0x80; 20]).is_err());
        assert!(unsigned(&[]).is_err());

        assert_eq!(signed(&[0]), Ok(0));
        assert_eq!(signed(&[0x7f]), Ok(-1));
        assert_eq!(signed(&[0x40]), Ok(-64));
        assert_eq!(signed(&[0xc0, 0x00]), Ok(64));
        assert_eq!(signed(&[0xc0, 0xbb, 0x78]), Ok(-123_456));
        assert_eq!(signed(&[&[0x80; 9][..], &[0x7f]].concat()), Ok(i64::MIN));
        assert_eq!(signed(&[&[0xff; 9][..], &[0]].concat()), Ok(i64::MAX));
        assert!(signed(&[0x80, 0]).is_err());
        assert!(signed(&[0xff, 0x7f]).is_err());
        assert!(signed(&[&[0xff; 9][..], &[1]].concat()).is_err());
        assert!(signed(&[0xff; 20]).is_err());
    }
}
