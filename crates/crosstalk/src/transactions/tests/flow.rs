//! Bytes, credit and turns.

use super::*;

#[test]
fn a_small_transaction_is_one_message_each_way() {
    let mut pair = Pair::new();
    let id = pair.gateway.open(request(), Bytes::new(), true).unwrap();
    let sent = messages(&mut pair.gateway);
    assert!(matches!(sent.as_slice(), [Message::Open { end: true, .. }]), "{sent:?}");
    for message in sent {
        pair.peer.receive(message, T0).unwrap();
    }
    assert_eq!(opened(&mut pair.peer), id);
    assert_eq!(pair.peer.read(id), Read::End);

    pair.peer.respond(id, response(), Bytes::from_static(b"hello "), false);
    pair.peer.write(id, &mut Bytes::new(), true);
    let sent = messages(&mut pair.peer);
    assert!(matches!(sent.as_slice(), [Message::Head { end: true, .. }]), "{sent:?}");
    for message in sent {
        pair.gateway.receive(message, T0).unwrap();
    }
    assert!(matches!(pair.gateway.poll_event(), Some(Event::Answered { .. })));
    assert_eq!(pair.gateway.read(id), Read::Data(Bytes::from_static(b"hello ")));
    assert_eq!(pair.gateway.read(id), Read::End);
    pair.assert_over();
}

#[test]
fn who_sends_uses_up_its_credit_and_gets_it_back_in_portions() {
    let (mut pair, id) = Pair::answered(true);
    assert_eq!(pair.peer.room(id), 1000);
    let mut body = bytes(1500);
    pair.peer.write(id, &mut body, true);
    assert_eq!((body.len(), pair.peer.room(id)), (500, 0), "what does not fit stays");
    pair.settle();
    assert_eq!(events(&mut pair.peer), [""; 0], "sending makes no room when the credit is used");

    // In the wire the body was one piece; here the reader takes a part and then the rest.
    assert_eq!(pair.gateway.read(id), Read::Data(bytes(1000)));
    assert_eq!(pair.gateway.read(id), Read::Blocked);
    let credit = messages(&mut pair.gateway);
    assert!(matches!(credit.as_slice(), [Message::Credit { bytes: 1000, .. }]), "{credit:?}");
    for message in credit {
        pair.peer.receive(message, T0).unwrap();
    }
    assert_eq!(events(&mut pair.peer), [format!("Writable({id:?})")]);
    pair.peer.write(id, &mut body, true);
    pair.settle();
    assert_eq!(events(&mut pair.gateway), [format!("Readable({id:?})")]);
    assert_eq!(read(&mut pair.gateway, id), (bytes(1500)[1000..].to_vec(), Read::End));
    pair.assert_over();
}

#[test]
fn credit_waits_for_half_a_window_and_is_put_together() {
    let (mut pair, id) = Pair::answered(true);
    for _ in 0..9 {
        pair.peer.write(id, &mut bytes(100), false);
        pair.settle();
    }
    for _ in 0..4 {
        assert_eq!(pair.gateway.read(id), Read::Data(bytes(100)));
    }
    assert!(!pair.gateway.wants_to_send(), "400 of 1000 bytes are not worth a message");
    for _ in 0..3 {
        assert_eq!(pair.gateway.read(id), Read::Data(bytes(100)));
    }
    let credit = messages(&mut pair.gateway);
    assert!(matches!(credit.as_slice(), [Message::Credit { bytes: 700, .. }]), "{credit:?}");
}

#[test]
fn nobody_gets_credit_for_a_body_that_is_complete() {
    let (mut pair, id) = Pair::answered(true);
    pair.peer.write(id, &mut bytes(600), false);
    pair.settle();
    assert_eq!(pair.gateway.read(id), Read::Data(bytes(600)));
    assert!(pair.gateway.wants_to_send());
    pair.gateway.receive(data(id.0, 0, true), T0).unwrap();
    assert!(!pair.gateway.wants_to_send());
    assert_eq!(pair.gateway.read(id), Read::End);
}

#[test]
fn more_than_the_credit_ends_the_link() {
    for first in [0, 400] {
        let mut peer = peer();
        peer.receive(open_message(2, bytes(first)), T0).unwrap();
        peer.receive(data(2, 1000 - first, false), T0).unwrap();
        let more = peer.receive(data(2, 1, true), T0);
        assert_eq!(more, Err(Violation::Credit(TransactionId(2))));
    }
    assert_eq!(
        peer().receive(open_message(2, bytes(1001)), T0),
        Err(Violation::Credit(TransactionId(2)))
    );
    let (mut pair, id) = Pair::opened(true);
    assert_eq!(pair.gateway.receive(head(id.0, 1001, true), T0), Err(Violation::Credit(id)));
}

#[test]
fn one_message_may_have_as_much_as_the_credit() {
    let window = 3 * MAX_DATA;
    let large = |numbers| Config { window: window as u32, ..config(numbers) };
    for first in [0, MAX_DATA + 1, window] {
        let mut peer = Transactions::new(large(Numbers::Odd), T0);
        peer.receive(open_message(2, bytes(first)), T0).unwrap();
        peer.receive(data(2, window - first, true), T0).unwrap();
        assert_eq!(
            read(&mut peer, TransactionId(2)),
            (bytes(first).iter().chain(&bytes(window - first)).copied().collect(), Read::End)
        );
    }
    let mut peer = Transactions::new(large(Numbers::Odd), T0);
    let more = peer.receive(open_message(2, bytes(window + 1)), T0);
    assert_eq!(more, Err(Violation::Credit(TransactionId(2))));
}

/// A buffer into which somebody read, and which shows whether anything of it is still there.
struct Block {
    bytes: Vec<u8>,
    _alive: std::sync::Arc<()>,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[test]
fn short_pieces_keep_nothing_alive_that_came_with_them() {
    let large = Config { window: 10 * MAX_DATA as u32, ..config(Numbers::Odd) };
    let mut peer = Transactions::new(large, T0);
    let alive = std::sync::Arc::new(());
    let piece = |length: usize| {
        let block = Block { bytes: vec![7; MAX_DATA], _alive: std::sync::Arc::clone(&alive) };
        Bytes::from_owner(block).slice(..length)
    };
    let id = TransactionId(2);
    peer.receive(Message::Open { id, head: request(), body: piece(5), end: false }, T0).unwrap();
    for length in [1, 100, 1000] {
        let message = Message::Data { id, bytes: piece(length), end: false };
        peer.receive(message, T0).unwrap();
    }
    assert_eq!(std::sync::Arc::strong_count(&alive), 1);
    let message = Message::Data { id, bytes: piece(MAX_DATA), end: true };
    peer.receive(message, T0).unwrap();
    assert_eq!(std::sync::Arc::strong_count(&alive), 2, "a long piece is not copied");
    assert_eq!(read(&mut peer, id), (vec![7; 1106 + MAX_DATA], Read::End));
}

#[test]
fn what_nobody_reads_is_dropped_and_gets_no_credit() {
    let (mut pair, id) = Pair::opened(false);
    pair.gateway.write(id, &mut bytes(600), false);
    pair.settle();
    assert_eq!(pair.peer.read(id), Read::Data(bytes(600)));
    pair.peer.stop_reading(id);
    assert!(!pair.peer.wants_to_send());
    pair.gateway.write(id, &mut bytes(400), false);
    pair.settle();
    assert_eq!(pair.peer.all[&id].held(), (0, 0));
    assert_eq!(pair.gateway.room(id), 0);
    assert_eq!(pair.peer.read(id), Read::Aborted(AbortCode::Cancelled));
    let more = pair.peer.receive(data(id.0, 1, false), T0);
    assert_eq!(more, Err(Violation::Credit(id)), "the credit holds all the same");
}

#[test]
fn long_pieces_pass_without_a_copy() {
    let window = 3 * MAX_DATA as u32;
    let wide = |numbers| Config { window, send_buffer: window as usize, ..config(numbers) };
    let mut gateway = Transactions::new(wide(Numbers::Even), T0);
    let mut peer = Transactions::new(wide(Numbers::Odd), T0);
    let body = bytes(2 * MAX_DATA + 20_000);
    let id = gateway.open(request(), body.clone(), true).unwrap();
    let mut lengths = Vec::new();
    for message in messages(&mut gateway) {
        if let Message::Open { body: bytes, end, .. } | Message::Data { bytes, end, .. } = &message
        {
            lengths.push((bytes.len(), *end));
        }
        peer.receive(message, T0).unwrap();
    }
    assert_eq!(lengths, [(MAX_DATA, false), (MAX_DATA, false), (20_000, true)]);
    for piece in body.chunks(MAX_DATA) {
        let Read::Data(read) = peer.read(id) else { panic!("a piece is missing") };
        assert_eq!((read.as_ptr(), read.len()), (piece.as_ptr(), piece.len()));
    }
    assert_eq!(peer.read(id), Read::End);
}

#[test]
fn crumbs_are_put_together() {
    let crumbs = Config { window: 100_000, ..config(Numbers::Odd) };
    let mut peer = Transactions::new(crumbs, T0);
    peer.receive(open_message(2, Bytes::new()), T0).unwrap();
    let id = opened(&mut peer);
    for _ in 0..100_000 {
        peer.receive(data(2, 1, false), T0).unwrap();
        assert!(peer.all[&id].pieces() <= 300);
    }
    assert_eq!(read(&mut peer, id), (vec![0; 100_000], Read::Blocked));
}

#[test]
fn transactions_take_turns() {
    let mut pair = Pair::new();
    let wide = Config { window: 1 << 20, send_buffer: 1 << 20, ..config(Numbers::Even) };
    pair.gateway = Transactions::new(wide, T0);
    let ids = [0; 3].map(|_| pair.gateway.open(request(), bytes(3 * MAX_DATA), false).unwrap());
    let order: Vec<TransactionId> = messages(&mut pair.gateway).iter().filter_map(number).collect();
    assert_eq!(order, [ids, ids, ids].concat());
}

#[test]
fn control_goes_first_and_bye_goes_after_what_was_opened() {
    let (mut pair, id) = Pair::opened(false);
    let other = pair.gateway.open(request(), Bytes::new(), false).unwrap();
    pair.gateway.receive(Message::Ping, T0).unwrap();
    pair.gateway.receive(Message::Ping, T0).unwrap();
    assert!(pair.gateway.tick(config(Numbers::Even).ping_every));
    pair.gateway.abort(id, AbortCode::TimedOut);
    pair.gateway.close(Bye::default());
    let sent: Vec<String> = messages(&mut pair.gateway).into_iter().map(shown).collect();
    let abort = format!("Abort {{ id: {id:?}, code: TimedOut }}");
    let open = format!("Open {{ id: {other:?},");
    let bye = format!("Bye({:?})", Bye::default());
    assert_eq!(sent, [abort.as_str(), "Pong", "Ping", &open, &bye]);
}

#[test]
fn the_writer_is_told_of_room_in_its_own_buffer() {
    let narrow = Config { send_buffer: 10, ..config(Numbers::Even) };
    let mut gateway = Transactions::new(narrow, T0);
    let id = gateway.open(request(), bytes(10), false).unwrap();
    assert_eq!(gateway.room(id), 0);
    assert!(gateway.poll_event().is_none());
    gateway.poll_message();
    assert_eq!(events(&mut gateway), [format!("Writable({id:?})")]);
    assert_eq!(gateway.room(id), 10);
    gateway.write(id, &mut bytes(3), false);
    gateway.poll_message();
    assert_eq!(events(&mut gateway), [""; 0], "there was room all the time");
}

#[test]
fn more_than_a_window_with_the_head_goes_out_as_credit_allows() {
    let (mut pair, id) = Pair::opened(true);
    pair.peer.respond(id, response(), bytes(2500), true);
    pair.settle();
    let mut all = Vec::new();
    while let Read::Data(bytes) = pair.gateway.read(id) {
        all.extend_from_slice(&bytes);
        pair.settle();
    }
    assert_eq!(all, bytes(2500));
    pair.peer.stop_reading(id);
    pair.assert_over();
}
