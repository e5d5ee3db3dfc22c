//! Links as QR codes.

use std::collections::HashMap;

use qrcode::{Color, EcLevel, QrCode as Code};

use crate::view::QrCode;

/// Light modules around the code; readers need four (ISO/IEC 18004, 9.1).
const QUIET_ZONE: usize = 4;

/// The codes of the links that are shown now, since drawing one takes as long as all the rest.
#[derive(Default)]
pub struct QrCodes {
    drawn: HashMap<String, QrCode>,
}

impl QrCodes {
    /// Returns the code of a link; `None` when it is too long for one.
    pub fn of(&mut self, link: &str) -> Option<QrCode> {
        if let Some(code) = self.drawn.get(link) {
            return Some(code.clone());
        }
        let code = draw(link)?;
        self.drawn.insert(link.to_owned(), code.clone());
        Some(code)
    }

    /// Forgets all codes but those of `links`.
    pub fn keep_only<'a>(&mut self, links: impl Iterator<Item = &'a str> + Clone) {
        self.drawn.retain(|link, _| links.clone().any(|kept| kept == link));
    }
}

/// Draws the dark modules of a code, row by row, neighbours as one box.
fn draw(link: &str) -> Option<QrCode> {
    let code = Code::with_error_correction_level(link, EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let mut path = String::new();
    for (y, row) in colors.chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = row[x..].iter().take_while(|color| **color == Color::Dark).count();
            if run > 0 {
                let (left, top) = (x + QUIET_ZONE, y + QUIET_ZONE);
                path.push_str(&format!("M{left} {top}h{run}v1h-{run}z"));
            }
            x += run.max(1);
        }
    }
    let size = u32::try_from(width + 2 * QUIET_ZONE).ok()?;
    Some(QrCode { size, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the path back into modules, as a browser paints it.
    fn painted(code: &QrCode) -> Vec<Vec<bool>> {
        let size = code.size as usize;
        let mut modules = vec![vec![false; size]; size];
        for part in code.path.split('M').skip(1) {
            let (corner, rest) = part.split_once('h').unwrap();
            let (x, y) = corner.split_once(' ').unwrap();
            let (run, _) = rest.split_once('v').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            modules[y][x..x + run.parse::<usize>().unwrap()].fill(true);
        }
        modules
    }

    #[test]
    fn the_path_paints_the_code_inside_a_quiet_zone() {
        let link = "http://summer-photos.localhost:28260/s/0123456789abcdefghijkl";
        let code = QrCodes::default().of(link).unwrap();
        let truth = Code::with_error_correction_level(link, EcLevel::M).unwrap();
        let colors = truth.to_colors();
        for (y, row) in painted(&code).iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let inside = |n: usize| n.checked_sub(QUIET_ZONE).filter(|n| *n < truth.width());
                let expected = match (inside(x), inside(y)) {
                    (Some(x), Some(y)) => colors[y * truth.width() + x] == Color::Dark,
                    (None, _) | (_, None) => false,
                };
                assert_eq!(*dark, expected, "module {x} {y}");
            }
        }
    }

    #[test]
    fn a_link_that_is_too_long_has_no_code() {
        assert_eq!(QrCodes::default().of(&"x".repeat(5000)), None);
    }

    #[test]
    fn codes_of_links_that_are_gone_are_forgotten() {
        let mut codes = QrCodes::default();
        let first = codes.of("http://a.localhost/");
        codes.of("http://b.localhost/");
        codes.keep_only(["http://a.localhost/"].into_iter());
        assert_eq!(codes.drawn.len(), 1);
        assert_eq!(codes.of("http://a.localhost/"), first);
    }
}
