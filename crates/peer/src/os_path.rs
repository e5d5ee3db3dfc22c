//! Paths as the store keeps them: whatever the system allows in a name comes back unchanged.

use std::path::{Path, PathBuf};

#[cfg(unix)]
pub(crate) fn to_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
pub(crate) fn from_bytes(bytes: &[u8]) -> PathBuf {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Windows names are 16-bit units that need not be valid Unicode.
#[cfg(windows)]
pub(crate) fn to_bytes(path: &Path) -> Vec<u8> {
    use std::os::windows::ffi::OsStrExt as _;
    path.as_os_str().encode_wide().flat_map(u16::to_le_bytes).collect()
}

#[cfg(windows)]
pub(crate) fn from_bytes(bytes: &[u8]) -> PathBuf {
    use std::{ffi::OsString, os::windows::ffi::OsStringExt as _};
    let units: Vec<u16> =
        bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    PathBuf::from(OsString::from_wide(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_unchanged() {
        for path in ["/home/somebody/Ferien 2026", "süß/λ/🏖", "C:\\Photos"] {
            let path = PathBuf::from(path);
            assert_eq!(from_bytes(&to_bytes(&path)), path);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_comes_back_unchanged() {
        let bytes = b"/tmp/\xff\xfe".to_vec();
        assert_eq!(to_bytes(&from_bytes(&bytes)), bytes);
    }
}
