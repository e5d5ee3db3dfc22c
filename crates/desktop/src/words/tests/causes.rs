//! Why something was refused, at the end of a sentence.

use super::*;

#[test]
fn what_systems_often_say_is_said_in_german() {
    let path = || Path::new("/x/a.jpg").to_owned();
    for kind in known_errors().iter().map(io::Error::kind) {
        let error = || io::Error::new(kind, "in English");
        for said in [
            GERMAN.not_kept(&error()),
            GERMAN.settings_unreadable(&error()),
            GERMAN.no_key(&NoKey::Refused(KeyError::File(path(), error()))),
            GERMAN.not_handed_over(&HandOverError::Files(ParcelError::Other(path(), error()))),
            GERMAN.system_refused(Deed::Look, &error().into()),
        ] {
            assert!(!said.contains("English") && !said.contains('„'), "{said}");
        }
    }
    let slow = anyhow::Error::from(error()).context("in English");
    let said = GERMAN.system_refused(Deed::Start, &slow);
    assert!(said.ends_with("Das System meldet „in English: no space left“."), "{said}");
}

#[test]
fn what_veranda_says_of_its_store_is_no_quotation() {
    for fault in store_faults() {
        let is_quoted = matches!(fault, StoreFault::Other(_));
        let english = fault.to_string();
        let start = StartError::Store("/x/store".into(), fault.clone()).into();
        for said in [
            GERMAN.not_published(&PublishError::Store(fault.clone())),
            GERMAN.not_handed_over(&HandOverError::Store(fault)),
            GERMAN.system_refused(Deed::Start, &start),
        ] {
            assert_eq!(said.contains('„'), is_quoted, "{said}");
            assert_eq!(said.contains(&english), is_quoted, "{said}");
        }
    }
    let silent = GERMAN.not_published(&PublishError::Store(StoreFault::Silent));
    assert_eq!(silent, "Das ließ sich nicht speichern: Das Laufwerk antwortet nicht.");
}
