use super::*;

fn site() -> SiteId {
    SiteId("photos".to_owned())
}

fn note(text: &str, host: u8, actor: &str) -> Incoming {
    Incoming {
        text: text.to_owned(),
        visitor: Some([192, 0, 2, host].into()),
        agent: "Firefox on Windows".to_owned(),
        actor: (!actor.is_empty()).then(|| actor.to_owned()),
    }
}

fn later(now: Now, seconds: u64) -> Now {
    let step = Duration::from_secs(seconds);
    Now { monotonic: now.monotonic + step, wall: now.wall + step }
}

#[test]
fn text_of_strangers_is_made_readable() {
    for (text, expected) in [
        ("  hello \r\nyou\r", Some("hello \nyou")),
        ("a\u{202e}gpj.exe\u{0}\u{1b}[31m", Some("agpj.exe[31m")),
        ("a\n\n\n\n\nb", Some("a\n\nb")),
        ("می\u{200c}خواهم 👩\u{200d}👩", Some("می\u{200c}خواهم 👩\u{200d}👩")),
        ("e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}x", Some("e\u{301}\u{301}\u{301}\u{301}x")),
        // Marks that are not Latin, and what they look like one by one.
        (
            "a\u{1dc4}\u{1ab0}\u{1dff}\u{e49}\u{1ab5}\u{489}x",
            Some("a\u{1dc4}\u{1ab0}\u{1dff}\u{e49}x"),
        ),
        ("1\u{fe0f}\u{20e3} شُكْرًا", Some("1\u{fe0f}\u{20e3} شُكْرًا")),
        ("a\u{61c}b", Some("ab")),
        ("<b>&amp;</b>", Some("<b>&amp;</b>")),
        (" \n\u{200d}\u{2066}", None),
        ("", None),
    ] {
        assert_eq!(readable(text, 100).as_deref(), expected, "{text:?}");
    }
    assert_eq!(readable(&"x".repeat(5000), 1000).unwrap().len(), 1000);
    let lines = readable(&"x\n".repeat(100), 1000).unwrap();
    assert!(lines.lines().count() <= MAX_LINES, "{lines}");
}

#[test]
fn one_visitor_and_all_of_them_have_a_pace() {
    let (mut book, start) = (Book::default(), Now::read());
    for _ in 0..FROM_ONE {
        book.take(&site(), note("hello", 1, "visitor-1"), start).unwrap();
    }
    // Neither another address nor another name makes another person.
    for again in [note("hello", 2, "visitor-1"), note("hello", 1, "visitor-2"), note("hi", 1, "")] {
        assert_eq!(book.take(&site(), again, start), Err(Refused::TooMany));
    }
    for number in 0..FROM_ALL - FROM_ONE {
        let host = 10 + u8::try_from(number).unwrap();
        book.take(&site(), note("hello", host, ""), later(start, 1)).unwrap();
    }
    let one_more = || note("hello", 200, "visitor-3");
    assert_eq!(book.take(&site(), one_more(), later(start, 2)), Err(Refused::TooMany));
    let elsewhere = SiteId("music".to_owned());
    assert_eq!(book.take(&elsewhere, one_more(), later(start, 2)), Ok(()));
    assert_eq!(book.take(&site(), one_more(), later(start, PACE.as_secs())), Ok(()));
    assert_eq!(book.take(&site(), note(" \u{200b}", 201, ""), start), Err(Refused::Empty));
}

#[test]
fn the_oldest_notes_give_way() {
    let (mut book, mut now) = (Book::default(), Now::read());
    for number in 0..MAX_NOTES + 3 {
        now = later(now, PACE.as_secs());
        book.take(&site(), note(&format!("note {number}"), 1, "visitor-1"), now).unwrap();
        let gone = book.take_happenings().into_iter().any(|one| matches!(one, Happening::Gone(_)));
        assert_eq!(gone, number >= MAX_NOTES);
    }
    let notes = book.notes();
    assert_eq!((notes.len(), &*notes[0].text), (MAX_NOTES, "note 202"));
}

#[test]
fn who_is_blocked_writes_no_more_and_his_notes_are_gone() {
    let (mut book, now) = (Book::default(), Now::read());
    book.take(&site(), note("nasty", 1, "visitor-1"), now).unwrap();
    book.take(&site(), note("nastier", 1, "visitor-2"), now).unwrap();
    book.take(&site(), note("kind", 2, "visitor-3"), now).unwrap();
    let nasty = book.notes().pop().unwrap().id;
    let (_, writer, gone) = book.block(nasty).unwrap();
    assert_eq!(gone.len(), 2);
    assert_eq!(book.notes().len(), 1);
    for again in [note("nasty", 1, "visitor-9"), note("nasty", 9, "visitor-1")] {
        assert_eq!(book.take(&site(), again, now), Err(Refused::Closed));
    }
    book.take(&site(), note("kind", 2, "visitor-3"), now).unwrap();
    assert_eq!(book.blocked(&site()), 1);
    let again = Book::new(Vec::new(), vec![(site(), writer)]);
    assert_eq!(again.blocked(&site()), 1);
    book.unblock(&site());
    book.take(&site(), note("sorry", 1, "visitor-1"), now).unwrap();
}

#[test]
fn an_answer_waits_until_it_arrived() {
    let (mut book, now) = (Book::default(), Now::read());
    book.take(&site(), note("hello?", 1, "visitor-1"), now).unwrap();
    book.take(&site(), note("nobody to answer", 2, ""), now).unwrap();
    let [silent, asked] = &book.notes()[..] else { panic!() };
    let (silent, asked) = (silent.id, asked.id);
    assert_eq!(book.reply(silent, "hi", now.wall), None);
    assert_eq!(book.reply(asked, " \u{7} ", now.wall), None);
    book.reply(asked, "hi", now.wall).unwrap();
    let soon = later(now, 1).wall;
    let kept = book.reply(asked, "there", soon).unwrap();
    assert_eq!(kept.note.reply.as_ref().unwrap().text, "hi\nthere");
    assert_eq!(book.waiting_for(&site(), "visitor-1"), [asked]);
    assert!(book.waiting_for(&site(), "visitor-2").is_empty());
    let number = kept.number().unwrap();
    // Another visitor's word, another note's, and that of the first half: there is more by now.
    assert_eq!(book.arrived(&site(), "visitor-2", &number), None);
    for other in ["", "1", "1-", "9-9", &number[..number.len() - 1]] {
        assert_eq!(book.arrived(&site(), "visitor-1", other), None);
    }
    assert!(book.arrived(&site(), "visitor-1", &number).unwrap().note.reply.unwrap().arrived);
    assert_eq!(book.arrived(&site(), "visitor-1", &number), None);
    assert!(book.waiting_for(&site(), "visitor-1").is_empty());
    let kept = book.reply(asked, "more", soon).unwrap();
    assert_eq!(kept.note.reply.unwrap().text, "more");
}

#[test]
fn a_visitor_who_is_back_is_news_only_when_something_waits() {
    let letterbox = Letterbox::new(Book::default());
    letterbox.take(&site(), note("hello?", 1, "visitor-1"), Now::read()).unwrap();
    let id = letterbox.book().notes()[0].id;
    letterbox.book().take_happenings();
    letterbox.back(&site(), "visitor-1", None);
    assert!(letterbox.book().take_happenings().is_empty());
    letterbox.book().reply(id, "hi", SystemTime::now()).unwrap();
    letterbox.back(&site(), "visitor-2", None);
    letterbox.back(&site(), "visitor-1", None);
    let back = Happening::Back { site: site(), actor: "visitor-1".to_owned(), tab: None };
    assert_eq!(letterbox.book().take_happenings(), [back]);
}
