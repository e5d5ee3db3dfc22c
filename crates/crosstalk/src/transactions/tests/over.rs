//! Ends, aborts, order, limits, bye, and silence.

use super::{super::receive::MAX_REFUSALS, *};

#[test]
fn an_abort_cuts_what_comes_at_once_on_either_side() {
    let (mut pair, id) = Pair::answered(false);
    pair.peer.write(id, &mut bytes(10), false);
    pair.settle();
    pair.peer.write(id, &mut bytes(10), true);
    pair.peer.abort(id, AbortCode::Failed);
    pair.settle();
    assert_eq!(events(&mut pair.gateway), [format!("Aborted {{ id: {id:?}, code: Failed }}")]);
    assert_eq!(read(&mut pair.gateway, id), (Vec::new(), Read::Aborted(AbortCode::Failed)));
    let mut rest = bytes(10);
    pair.gateway.write(id, &mut rest, true);
    assert!(rest.is_empty() && pair.gateway.room(id) == 0 && !pair.gateway.wants_to_send());
    pair.assert_over();

    let (mut pair, id) = Pair::answered(true);
    pair.gateway.abort(id, AbortCode::Cancelled);
    pair.settle();
    assert_eq!(events(&mut pair.peer), [format!("Aborted {{ id: {id:?}, code: Cancelled }}")]);
    pair.assert_over();
}

#[test]
fn credit_is_forgotten_with_its_transaction() {
    for here in [true, false] {
        let (mut pair, id) = Pair::answered(true);
        pair.peer.write(id, &mut bytes(600), false);
        pair.settle();
        assert_eq!(pair.gateway.read(id), Read::Data(bytes(600)));
        assert!(pair.gateway.wants_to_send());
        if here {
            pair.gateway.abort(id, AbortCode::Cancelled);
            let sent = messages(&mut pair.gateway);
            assert!(matches!(sent.as_slice(), [Message::Abort { .. }]), "{sent:?}");
        } else {
            pair.gateway.receive(abort(id.0, AbortCode::Failed), T0).unwrap();
            assert!(!pair.gateway.wants_to_send());
        }
        assert!(pair.gateway.credits.is_empty());
    }
}

#[test]
fn an_abort_before_the_answer_is_told_and_wakes_who_waits() {
    let (mut pair, id) = Pair::opened(false);
    assert_eq!(pair.gateway.read(id), Read::Blocked);
    pair.peer.abort(id, AbortCode::Unsupported);
    pair.settle();
    assert_eq!(events(&mut pair.gateway), [format!("Aborted {{ id: {id:?}, code: Unsupported }}")]);
    pair.peer.respond(id, response(), Bytes::new(), true);
    assert!(!pair.peer.wants_to_send());
    pair.assert_over();
}

#[test]
fn what_was_never_sent_is_aborted_without_a_word() {
    let mut gateway = gateway();
    let id = gateway.open(request(), bytes(5), false).unwrap();
    gateway.abort(id, AbortCode::Cancelled);
    assert!(!gateway.wants_to_send() && gateway.poll_message().is_none());
    assert_eq!(gateway.opened(), 0);
    assert_eq!(gateway.receive(data(id.0, 1, false), T0), Err(Violation::Unknown(id)));
}

#[test]
fn an_unread_request_takes_nothing_away_from_the_response() {
    let (mut pair, id) = Pair::answered(false);
    pair.gateway.write(id, &mut bytes(1000), false);
    pair.settle();
    pair.peer.write(id, &mut bytes(700), true);
    pair.peer.stop_reading(id);
    pair.settle();
    assert_eq!(pair.peer.accepted(), 0, "nothing holds it at the end that answered");
    assert_eq!(events(&mut pair.gateway), [format!("Unwanted({id:?})")]);
    let mut rest = bytes(10);
    pair.gateway.write(id, &mut rest, true);
    assert!(rest.is_empty() && pair.gateway.room(id) == 0 && !pair.gateway.wants_to_send());
    assert_eq!(read(&mut pair.gateway, id), (bytes(700).to_vec(), Read::End));
    pair.assert_over();
}

#[test]
fn an_unread_request_ends_with_the_response_also_when_reading_stops_later() {
    let (mut pair, id) = Pair::answered(false);
    pair.peer.write(id, &mut Bytes::new(), true);
    pair.settle();
    assert_eq!(pair.gateway.read(id), Read::End);
    assert_eq!((pair.gateway.opened(), pair.peer.accepted()), (1, 1), "the request may go on");
    pair.gateway.write(id, &mut bytes(3), false);
    pair.settle();
    assert_eq!(pair.peer.read(id), Read::Data(bytes(3)));
    pair.peer.stop_reading(id);
    pair.settle();
    assert_eq!(events(&mut pair.gateway), [format!("Unwanted({id:?})")]);
    pair.assert_over();
}

#[test]
fn late_messages_are_ignored_and_nothing_is_remembered_of_them() {
    let (mut pair, id) = Pair::answered(false);
    pair.gateway.abort(id, AbortCode::Cancelled);
    for late in [data(id.0, 5, true), head(id.0, 0, true), abort(id.0, AbortCode::Failed)] {
        pair.gateway.receive(late, T0).unwrap();
    }
    let credit = Message::Credit { id, bytes: u32::MAX };
    pair.gateway.receive(credit, T0).unwrap();
    assert!(pair.gateway.poll_event().is_none());
    assert!(pair.gateway.all.is_empty());
}

#[test]
fn what_was_never_opened_ends_the_link() {
    for number in [0, 1, 3, 4, u64::MAX] {
        let id = TransactionId(number);
        for message in [
            data(number, 1, false),
            head(number, 1, false),
            abort(number, AbortCode::Failed),
            Message::Credit { id, bytes: 1 },
        ] {
            let mut peer = peer();
            peer.receive(open_message(2, Bytes::new()), T0).unwrap();
            // Opened here, but not sent: the other end cannot know of it.
            peer.open(request(), Bytes::new(), true).unwrap();
            assert_eq!(peer.receive(message, T0), Err(Violation::Unknown(id)));
        }
    }
}

#[test]
fn numbers_rise_and_are_the_senders() {
    let mut peer = peer();
    peer.receive(open_message(4, Bytes::new()), T0).unwrap();
    for number in [0, 2, 4, 5] {
        let old = peer.receive(open_message(number, Bytes::new()), T0);
        assert_eq!(old, Err(Violation::Number(TransactionId(number))));
    }
    peer.receive(open_message(u64::MAX - 1, Bytes::new()), T0).unwrap();
}

#[test]
fn a_head_comes_once_before_the_body_and_from_the_end_that_was_asked() {
    let id = TransactionId(2);
    let order = Err(Violation::Order(id));
    let (mut pair, _) = Pair::opened(true);
    assert_eq!(pair.gateway.receive(data(2, 1, false), T0), order);
    let (mut pair, _) = Pair::answered(true);
    assert_eq!(pair.gateway.receive(head(2, 1, false), T0), order);
    assert_eq!(pair.peer.receive(head(2, 1, false), T0), order);
    let (mut pair, _) = Pair::opened(true);
    assert_eq!(pair.peer.receive(data(2, 0, true), T0), order, "the body had ended");
}

#[test]
fn an_end_opens_no_more_than_it_may() {
    let mut gateway = gateway();
    let ids = [0; 4].map(|_| gateway.open(request(), Bytes::new(), true).unwrap());
    let refused = gateway.open(request(), Bytes::new(), true).unwrap_err().0;
    assert_eq!(refused, OpenError::Full);
    gateway.abort(ids[0], AbortCode::Cancelled);
    gateway.open(request(), Bytes::new(), true).unwrap();
}

#[test]
fn one_more_is_refused_and_leaves_nothing_behind() {
    let mut peer = peer();
    for number in [2, 4, 6, 8, 10] {
        peer.receive(open_message(number, bytes(9)), T0).unwrap();
    }
    assert_eq!(events(&mut peer).len(), 4);
    assert_eq!(peer.accepted(), 4);
    // What came along before the other end knew.
    peer.receive(data(10, 1000, true), T0).unwrap();
    let sent: Vec<String> = messages(&mut peer).into_iter().map(shown).collect();
    assert_eq!(sent, ["Abort { id: TransactionId(10), code: Refused }"]);
    peer.abort(TransactionId(2), AbortCode::Failed);
    peer.receive(open_message(12, Bytes::new()), T0).unwrap();
    assert_eq!(messages(&mut peer).len(), 2, "its place is free when the other end knows");
    peer.receive(open_message(14, Bytes::new()), T0).unwrap();
    assert_eq!(events(&mut peer).len(), 1);
}

#[test]
fn what_is_only_unread_takes_no_place_but_not_for_ever() {
    let mut peer = peer();
    let mut number = 0;
    let mut accepted = 0;
    for _ in 0..20 {
        number += 2;
        let id = TransactionId(number);
        let open = Message::Open { id, head: request(), body: bytes(1), end: true };
        peer.receive(open, T0).unwrap();
        if peer.poll_event().is_some() {
            accepted += 1;
            peer.respond(id, response(), Bytes::new(), true);
        }
        messages(&mut peer);
    }
    assert_eq!((accepted, peer.accepted()), (8, 8));
    for id in (1..=8).map(|place| TransactionId(2 * place)) {
        assert_eq!(read(&mut peer, id), (vec![0], Read::End));
    }
    assert_eq!(peer.accepted(), 0);
    assert!(!peer.wants_to_send(), "the other end knows already");
    peer.receive(open_message(number + 2, Bytes::new()), T0).unwrap();
    assert_eq!(events(&mut peer).len(), 1);
}

#[test]
fn an_end_that_opens_without_listening_floods() {
    let mut peer = peer();
    let room = 4 + MAX_REFUSALS as u64;
    for place in 1..=room {
        peer.receive(open_message(2 * place, Bytes::new()), T0).unwrap();
    }
    let more = peer.receive(open_message(2 * room + 2, Bytes::new()), T0);
    assert_eq!(more, Err(Violation::AfterBye));
}

#[test]
fn bye_lets_finish_what_is_under_way() {
    let (mut pair, id) = Pair::answered(true);
    pair.gateway.close(Bye { retry_after: None, sentence: "Update".into() });
    assert_eq!(pair.gateway.open(request(), Bytes::new(), true).unwrap_err().0, OpenError::Closing);
    pair.settle();
    assert_eq!(events(&mut pair.peer).len(), 1);
    assert_eq!(pair.peer.open(request(), Bytes::new(), true).unwrap_err().0, OpenError::Closing);
    pair.peer.write(id, &mut bytes(5), true);
    pair.settle();
    assert_eq!(events(&mut pair.peer), ["Drained"]);
    assert_eq!(events(&mut pair.gateway), [""; 0], "it is not read yet");
    assert_eq!(read(&mut pair.gateway, id), (bytes(5).to_vec(), Read::End));
    assert_eq!(events(&mut pair.gateway), ["Drained"]);
}

#[test]
fn an_idle_link_is_drained_at_once_and_only_once() {
    let mut pair = Pair::new();
    pair.gateway.close(Bye::default());
    pair.gateway.close(Bye::default());
    pair.settle();
    assert_eq!(events(&mut pair.gateway), ["Drained"]);
    assert_eq!(events(&mut pair.peer), [format!("Bye({:?})", Bye::default()), "Drained".into()]);
    pair.peer.close(Bye::default());
    pair.settle();
    assert_eq!(events(&mut pair.gateway), [format!("Bye({:?})", Bye::default())]);
    assert_eq!(events(&mut pair.peer), [""; 0]);
}

#[test]
fn after_bye_nothing_is_taken_and_what_was_not_sent_is_safe_to_send_again() {
    let mut pair = Pair::new();
    pair.peer.close(Bye::default());
    let sent = pair.gateway.open(request(), Bytes::new(), true).unwrap();
    let crossing = pair.gateway.poll_message().unwrap();
    let unsent = pair.gateway.open(request(), Bytes::new(), true).unwrap();
    pair.peer.receive(crossing, T0).unwrap();
    for message in messages(&mut pair.peer) {
        pair.gateway.receive(message, T0).unwrap();
    }
    let refused = |id| format!("Aborted {{ id: {id:?}, code: Refused }}");
    let mut told = events(&mut pair.gateway);
    assert_eq!(told.pop().as_deref(), Some("Drained"));
    told.retain(|event| !event.starts_with("Bye"));
    assert_eq!(told, [refused(sent), refused(unsent)]);
    assert!(!pair.gateway.wants_to_send());
    // Only the other end breaks its own word.
    let mut gateway = gateway();
    gateway.receive(Message::Bye(Bye::default()), T0).unwrap();
    let more = gateway.receive(open_message(1, Bytes::new()), T0);
    assert_eq!(more, Err(Violation::AfterBye));
}

#[test]
fn silence_is_asked_about_and_then_ends_the_link() {
    let seconds = Duration::from_secs;
    let mut gateway = Transactions::new(config(Numbers::Even), seconds(100));
    assert_eq!(gateway.next_deadline(), seconds(120));
    assert!(gateway.tick(seconds(119)));
    assert!(!gateway.wants_to_send());
    gateway.heard(seconds(110));
    assert!(gateway.tick(seconds(120)) && !gateway.wants_to_send());
    assert!(gateway.tick(seconds(130)));
    assert!(matches!(gateway.poll_message(), Some(Message::Ping)));
    assert_eq!(gateway.next_deadline(), seconds(140));
    assert!(gateway.tick(seconds(139)) && !gateway.wants_to_send(), "one ping");
    assert!(!gateway.tick(seconds(140)));

    // A computer that slept asks before it gives up, and anything that is heard will do.
    gateway.heard(seconds(139));
    assert!(gateway.tick(seconds(9999)));
    assert_eq!(gateway.next_deadline(), seconds(10_009));
    gateway.receive(Message::Pong, seconds(10_001)).unwrap();
    assert!(!gateway.wants_to_send(), "the question is not needed any more");
    assert_eq!(gateway.next_deadline(), seconds(10_021));
}

#[test]
fn what_has_not_left_is_taken_back_and_the_other_end_never_hears_of_it() {
    let mut pair = Pair::new();
    let id = pair.gateway.open(request(), bytes(3), false).unwrap();
    pair.gateway.write(id, &mut bytes(2), false);
    let (head, body) = pair.gateway.take_back(id).unwrap();
    assert_eq!(head.method, request().method);
    assert_eq!(body, [bytes(3), bytes(2)]);
    assert!(messages(&mut pair.gateway).is_empty());
    assert_eq!(pair.gateway.opened(), 0);

    let id = pair.gateway.open(request(), bytes(3), false).unwrap();
    assert_eq!(messages(&mut pair.gateway).len(), 1);
    assert!(pair.gateway.take_back(id).is_none());
    assert_eq!(pair.gateway.opened(), 1);
}

#[test]
fn what_is_left_to_read_is_known_once_the_end_is_here() {
    let mut pair = Pair::new();
    pair.peer.receive(open_message(2, bytes(10)), T0).unwrap();
    let id = opened(&mut pair.peer);
    assert_eq!(pair.peer.unread(id), None);
    pair.peer.receive(data(2, 5, true), T0).unwrap();
    assert_eq!(pair.peer.unread(id), Some(15));
    assert_eq!(pair.peer.read(id), Read::Data(bytes(10)));
    assert_eq!(pair.peer.unread(id), Some(5));
    assert_eq!(pair.peer.read(id), Read::Data(bytes(5)));
    assert_eq!(pair.peer.unread(id), Some(0));
    assert_eq!(pair.peer.read(id), Read::End);
    assert_eq!(pair.peer.unread(id), None);
}
