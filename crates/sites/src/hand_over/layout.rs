//! Where in a zip archive everything is, known before any file is read: nothing is compressed, and
//! what is only known afterwards, the checksums, stands behind each file and at the end.
//!
//! The format is PKWARE's APPNOTE 6.3.10; the sections named here are its own.

use std::{ops::Range, time::SystemTime};

/// Names are UTF-8 (bit 11), and checksums stand in a descriptor behind the file (bit 3); §4.4.4.
const FLAGS: u16 = 0x0808;

/// Stored as it is; §4.4.5.
const STORED: u16 = 0;

/// From this on, a number does not fit where it was in 1989, and stands in a field of its own; §4.3.9.2
/// and §4.5.3.
const LARGE: u64 = 0xffff_ffff;

/// The same for how many files there are.
const MANY: u64 = 0xffff;

/// What a program has to know to read the archive: 2.0, or 4.5 for [`LARGE`] numbers; §4.4.3.2.
const NEEDS: u16 = 20;
const NEEDS_LARGE: u16 = 45;

/// Made by version 4.5 for Unix, so that [`ATTRIBUTES`] are read; §4.4.2.
const MADE_BY: u16 = 3 << 8 | NEEDS_LARGE;

/// A file that all may read and its owner may write.
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// The extra field with [`LARGE`] numbers; §4.5.3.
const EXTRA_LARGE: u16 = 0x0001;

/// The extra field with the time of the last change in seconds since 1970, known as `UT`; §4.6.1.
const EXTRA_TIME: u16 = 0x5455;

/// How much follows in the record with [`LARGE`] numbers at the end: its 56 bytes but the first 12;
/// §4.3.14.1.
const LARGE_END: u64 = 44;

/// An archive, before its files are read.
#[derive(Debug)]
pub(super) struct Layout {
    members: Vec<Member>,
    /// Where the list of all files begins, and how long it is.
    directory: u64,
    directory_size: u64,
    size: u64,
}

/// One file in it.
#[derive(Debug)]
struct Member {
    name: String,
    size: u64,
    changed: Changed,
    /// Where what stands before it begins, and its contents, and what stands behind it.
    header: u64,
    data: u64,
    descriptor: u64,
}

/// What stands at some place of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What stands before the file with this number.
    Header(usize),
    /// Its contents.
    Data(usize),
    /// What stands behind it, with its checksum.
    Descriptor(usize),
    /// The list of all files, with all checksums.
    Directory,
    /// Where that list is.
    End,
}

/// When a file was changed last, as archives say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Changed {
    /// In steps of two seconds since 1980, §4.4.6; in UTC, since an archive must not change with the
    /// place where the owner is.
    day: u16,
    time: u16,
    /// In seconds since 1970.
    since_1970: Option<i32>,
}

impl Layout {
    /// Places files of these names, sizes and times of their last change. `None` when the archive would be
    /// larger than any file can be.
    pub(super) fn new(
        files: impl Iterator<Item = (String, u64, Option<SystemTime>)>,
    ) -> Option<Self> {
        let mut layout = Self { members: Vec::new(), directory: 0, directory_size: 0, size: 0 };
        let mut at: u64 = 0;
        for (name, size, modified) in files {
            let changed = modified.map_or_else(Changed::default, Changed::at);
            let mut member = Member { name, size, changed, header: at, data: at, descriptor: at };
            member.data = at.checked_add(member.header().len() as u64)?;
            member.descriptor = member.data.checked_add(size)?;
            at = member.descriptor.checked_add(member.descriptor(0).len() as u64)?;
            layout.directory_size += member.entry(0).len() as u64;
            layout.members.push(member);
        }
        layout.directory = at;
        let end = at.checked_add(layout.directory_size)?;
        layout.size = end.checked_add(layout.end().len() as u64)?;
        Some(layout)
    }

    /// Returns how many bytes the archive has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns where the list of all files begins.
    pub(super) fn directory_begins(&self) -> u64 {
        self.directory
    }

    /// Returns what stands at a place, and from where to where.
    pub(super) fn at(&self, position: u64) -> (Part, Range<u64>) {
        let end = self.directory + self.directory_size;
        if position >= end {
            return (Part::End, end..self.size);
        }
        let before = self.members.partition_point(|member| member.header <= position);
        let here = before.checked_sub(1).and_then(|index| Some((index, self.members.get(index)?)));
        let Some((index, member)) = here.filter(|_| position < self.directory) else {
            return (Part::Directory, self.directory..end);
        };
        if position < member.data {
            (Part::Header(index), member.header..member.data)
        } else if position < member.descriptor {
            (Part::Data(index), member.data..member.descriptor)
        } else {
            let next = self.members.get(before).map_or(self.directory, |next| next.header);
            (Part::Descriptor(index), member.descriptor..next)
        }
    }

    /// Returns what stands before a file.
    pub(super) fn header(&self, index: usize) -> Vec<u8> {
        self.members.get(index).map(Member::header).unwrap_or_default()
    }

    /// Returns what stands behind a file with this checksum.
    pub(super) fn descriptor(&self, index: usize, sum: u32) -> Vec<u8> {
        self.members.get(index).map(|member| member.descriptor(sum)).unwrap_or_default()
    }

    /// Returns the list of all files, with these checksums; §4.3.12.
    pub(super) fn directory(&self, sums: &[u32]) -> Vec<u8> {
        self.members.iter().zip(sums).flat_map(|(member, sum)| member.entry(*sum)).collect()
    }

    /// Returns what stands at the end; §4.3.14 to §4.3.16.
    pub(super) fn end(&self) -> Vec<u8> {
        let count = self.members.len() as u64;
        let mut end = Record::default();
        if count >= MANY || self.directory >= LARGE || self.directory_size >= LARGE {
            end.four(0x0606_4b50).eight(LARGE_END).two(MADE_BY).two(NEEDS_LARGE);
            end.four(0).four(0).eight(count).eight(count);
            end.eight(self.directory_size).eight(self.directory);
            end.four(0x0706_4b50).four(0).eight(self.directory + self.directory_size).four(1);
        }
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        end.four(0x0605_4b50).two(0).two(0).two(count).two(count);
        end.at_most_large(self.directory_size).at_most_large(self.directory).two(0);
        end.bytes
    }
}

impl Member {
    fn is_large(&self) -> bool {
        self.size >= LARGE
    }

    fn name_length(&self) -> u16 {
        u16::try_from(self.name.len()).unwrap_or(u16::MAX)
    }

    /// §4.3.7. Sizes are 0 where a descriptor follows; in a large file's extra field, which says that its
    /// descriptor has large numbers.
    fn header(&self) -> Vec<u8> {
        let mut extra = self.changed.extra();
        let mut sizes = 0;
        let mut needs = NEEDS;
        if self.is_large() {
            extra.two(EXTRA_LARGE).two(16).eight(0).eight(0);
            sizes = LARGE;
            needs = NEEDS_LARGE;
        }
        let mut header = Record::default();
        header.four(0x0403_4b50).two(needs).two(FLAGS).two(STORED);
        header.two(self.changed.time).two(self.changed.day);
        header.four(0).at_most_large(sizes).at_most_large(sizes);
        header.two(self.name_length()).two(extra.length());
        header.text(&self.name).record(&extra);
        header.bytes
    }

    /// §4.3.9.
    fn descriptor(&self, sum: u32) -> Vec<u8> {
        let mut descriptor = Record::default();
        descriptor.four(0x0807_4b50).four(sum);
        if self.is_large() {
            descriptor.eight(self.size).eight(self.size);
        } else {
            descriptor.at_most_large(self.size).at_most_large(self.size);
        }
        descriptor.bytes
    }

    /// The line in the list of all files; §4.3.12.
    fn entry(&self, sum: u32) -> Vec<u8> {
        let mut numbers = Record::default();
        if self.is_large() {
            numbers.eight(self.size).eight(self.size);
        }
        if self.header >= LARGE {
            numbers.eight(self.header);
        }
        let mut extra = self.changed.extra();
        let mut needs = NEEDS;
        if numbers.length() > 0 {
            extra.two(EXTRA_LARGE).two(numbers.length()).record(&numbers);
            needs = NEEDS_LARGE;
        }
        let mut entry = Record::default();
        entry.four(0x0201_4b50).two(MADE_BY).two(needs).two(FLAGS).two(STORED);
        entry.two(self.changed.time).two(self.changed.day);
        entry.four(sum).at_most_large(self.size).at_most_large(self.size);
        entry.two(self.name_length()).two(extra.length()).two(0).two(0).two(0);
        entry.four(ATTRIBUTES).at_most_large(self.header);
        entry.text(&self.name).record(&extra);
        entry.bytes
    }
}

impl Changed {
    fn at(modified: SystemTime) -> Self {
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let since_1970 = i32::try_from(since).ok().filter(|since| *since > 0);
        let (year, month, day) = date(since / 86_400);
        let seconds = since % 86_400;
        let Some(year) = year.checked_sub(1980).filter(|year| *year < 128) else {
            return Self { since_1970, ..Self::default() };
        };
        let bits = |value: u64, shift: u32| u16::try_from(value << shift).unwrap_or_default();
        Self {
            day: bits(year, 9) | bits(month, 5) | bits(day, 0),
            time: bits(seconds / 3600, 11) | bits(seconds / 60 % 60, 5) | bits(seconds % 60 / 2, 0),
            since_1970,
        }
    }

    fn extra(self) -> Record {
        let mut extra = Record::default();
        if let Some(since) = self.since_1970 {
            // One time follows: that of the last change.
            extra.two(EXTRA_TIME).two(5).one(1).four(since.cast_unsigned());
        }
        extra
    }
}

/// Returns year, month and day of a number of days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    /// From the first of March of the year 0, with which a leap year ends.
    const BEFORE_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + BEFORE_1970;
    let (cycle, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = cycle * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// Numbers in the order of bytes that archives have.
#[derive(Debug, Default)]
struct Record {
    bytes: Vec<u8>,
}

impl Record {
    fn one(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    fn two(&mut self, value: u16) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    fn four(&mut self, value: u32) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    fn eight(&mut self, value: u64) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Writes a number in four bytes, or that it is elsewhere.
    fn at_most_large(&mut self, value: u64) -> &mut Self {
        self.four(u32::try_from(value).unwrap_or(u32::MAX))
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes.extend(text.as_bytes());
        self
    }

    fn record(&mut self, record: &Self) -> &mut Self {
        self.bytes.extend(&record.bytes);
        self
    }

    fn length(&self) -> u16 {
        u16::try_from(self.bytes.len()).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Seek, SeekFrom},
        time::Duration,
    };

    use proptest::prelude::*;

    use super::*;

    /// An archive of files with nothing but zeros in them, of which only what is around them is in memory.
    struct Hollow {
        layout: Layout,
        at: u64,
        /// What was made last.
        made: Option<(Part, Vec<u8>)>,
    }

    impl io::Read for Hollow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.at >= self.layout.size() {
                return Ok(0);
            }
            let (part, span) = self.layout.at(self.at);
            assert!(span.contains(&self.at));
            let within = self.at - span.start;
            if let Part::Data(_) = part {
                let length = usize::try_from(span.end - self.at)
                    .map_err(io::Error::other)?
                    .min(buffer.len());
                buffer[..length].fill(0);
                self.at += length as u64;
                return Ok(length);
            }
            if self.made.as_ref().is_none_or(|(made, _)| *made != part) {
                let bytes = match part {
                    Part::Header(index) => self.layout.header(index),
                    Part::Data(_) => Vec::new(),
                    Part::Descriptor(index) => self.layout.descriptor(index, 7),
                    Part::Directory => self.layout.directory(&vec![7; self.layout.members.len()]),
                    Part::End => self.layout.end(),
                };
                assert_eq!(bytes.len() as u64, span.end - span.start, "{part:?}");
                self.made = Some((part, bytes));
            }
            let bytes = self.made.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            let mut rest = &bytes[usize::try_from(within).map_err(io::Error::other)?..];
            let count = io::Read::read(&mut rest, buffer)?;
            self.at += count as u64;
            Ok(count)
        }
    }

    impl Seek for Hollow {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            let at = match to {
                SeekFrom::Start(at) => Some(at),
                SeekFrom::End(by) => self.layout.size().checked_add_signed(by),
                SeekFrom::Current(by) => self.at.checked_add_signed(by),
            };
            self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
            Ok(self.at)
        }
    }

    fn layout(sizes: &[u64]) -> Layout {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let files = sizes.iter().enumerate();
        Layout::new(files.map(|(index, size)| (format!("grüße {index}"), *size, Some(at)))).unwrap()
    }

    /// Has another program read it.
    fn check(sizes: &[u64]) {
        let layout = layout(sizes);
        let starts: Vec<_> = layout.members.iter().map(|member| member.data).collect();
        let mut archive = zip::ZipArchive::new(Hollow { layout, at: 0, made: None }).unwrap();
        assert_eq!(archive.len(), sizes.len());
        for (index, (size, start)) in sizes.iter().zip(starts).enumerate() {
            let file = archive.by_index_raw(index).unwrap();
            assert_eq!(file.name().unwrap(), format!("grüße {index}"));
            assert_eq!((file.size(), file.compressed_size(), file.crc32()), (*size, *size, 7));
            assert_eq!(file.data_start(), Some(start));
            assert_eq!(file.unix_mode(), Some(0o100_644));
            assert_eq!(file.last_modified().unwrap().to_string(), "2001-09-09 01:46:40");
        }
    }

    #[test]
    fn another_program_finds_everything_at_every_size() {
        const GIB: u64 = 1 << 30;
        check(&[]);
        check(&[0]);
        check(&[0, 1, 0, 5]);
        for around in [LARGE - 1, LARGE, LARGE + 1] {
            check(&[around]);
            check(&[around, 0, 3]);
            check(&[around - 200, 1, 2]);
        }
        check(&[3 * GIB, 3 * GIB, 0, 5 * GIB, 1]);
        check(&[1 << 50, 1 << 60]);
        check(&vec![1; 70_000]);
        for before in (LARGE - 150..LARGE).step_by(7) {
            check(&[before, 1]);
        }
    }

    #[test]
    fn refuses_what_no_number_can_count() {
        let name = || String::from("a");
        let files = [(name(), u64::MAX / 2, None), (name(), u64::MAX / 2, None)];
        assert!(Layout::new(files.into_iter()).is_none());
    }

    #[test]
    fn knows_when_a_file_was_changed() {
        let at = |seconds| Changed::at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let unset = Changed::default();
        assert_eq!(at(0), unset);
        assert_eq!(at(86_400), Changed { since_1970: Some(86_400), ..unset });
        assert_eq!(Changed::at(SystemTime::UNIX_EPOCH - Duration::from_secs(5)), unset);
        // 29 February 2024, 23:59:58.
        let leap = at(1_709_251_198);
        assert_eq!((leap.day, leap.time), (44 << 9 | 2 << 5 | 29, 23 << 11 | 59 << 5 | 29));
        // 2038 and later have no room in 32 bits, 2108 and later nowhere.
        assert_eq!(at(3_000_000_000).since_1970, None);
        assert_eq!(at(5_000_000_000), unset);
        assert_eq!(at(u64::from(u32::MAX) * 1000), unset);
    }

    proptest! {
        #[test]
        fn dates_are_those_of_the_calendar(day in 0_u64..2_900_000) {
            let (year, month, number) = date(day);
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400);
            // `Sat, 21 Nov 2026 08:00:00 GMT`
            let written = httpdate::fmt_http_date(at);
            let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let name = &names[usize::try_from(month - 1).unwrap() * 3..][..3];
            prop_assert_eq!(&written[5..16], format!("{number:02} {name} {year:04}"));
        }

        #[test]
        fn every_place_is_in_one_part(
            sizes in proptest::collection::vec(prop_oneof![0_u64..300, LARGE - 5..LARGE + 5], 0..8),
            where_to in any::<proptest::sample::Index>(),
        ) {
            let layout = layout(&sizes);
            let mut parts = Vec::new();
            let mut at = 0;
            while at < layout.size() {
                let (part, span) = layout.at(at);
                prop_assert_eq!(span.start, at);
                prop_assert!(span.end > at);
                parts.push((part, span.clone()));
                at = span.end;
            }
            prop_assert_eq!(at, layout.size());
            let (part, span) = parts[where_to.index(parts.len())].clone();
            prop_assert_eq!(layout.at(span.end - 1), (part, span));
        }
    }
}
