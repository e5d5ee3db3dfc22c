//! Where a domain's server is: SRV records (RFC 6120 §3.2.1, RFC 2782), with and without TLS from
//! the first byte (XEP-0368).

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{TokioResolver, net::NetError, proto::rr::RData};
use tokio::time::timeout;

use super::LoginError;
use crate::tls;

/// How long SRV records may take before the domain's own address is tried.
const SRV_TIMEOUT: Duration = Duration::from_secs(6);

/// How many servers of a domain are tried; more would not fit into the time of a login.
const MAX_TARGETS: usize = 6;

/// The port where servers are when DNS does not say (RFC 6120 §3.2.2).
const PORT: u16 = 5222;

/// Who is asked for SRV records.
pub(super) enum Resolver {
    /// Whom the operating system asks.
    System,
    /// Another, for tests.
    #[cfg(test)]
    Own(Box<TokioResolver>),
}

/// A place where a server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A name or an address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether TLS begins at once there, instead of by STARTTLS.
    pub(super) direct: bool,
}

/// A record, before the order is found.
#[derive(Clone, Debug)]
struct Service {
    priority: u16,
    weight: u16,
    target: Target,
}

/// Returns the places where a domain (in ASCII) may have its server, in the order in which they are
/// to be tried.
pub(super) async fn targets(domain: &str, resolver: &Resolver) -> Result<Vec<Target>, LoginError> {
    let itself = Target { host: domain.to_owned(), port: PORT, direct: false };
    if tls::is_localhost(domain) || domain.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Ok(vec![itself]);
    }
    let found = match resolver {
        Resolver::System => match TokioResolver::builder_tokio().and_then(|found| found.build()) {
            Ok(resolver) => timeout(SRV_TIMEOUT, services(domain, &resolver)).await,
            Err(error) => Ok(Err(error)),
        },
        #[cfg(test)]
        Resolver::Own(resolver) => timeout(SRV_TIMEOUT, services(domain, resolver)).await,
    };
    let services = match found {
        Ok(Ok(services)) => services,
        // Some networks answer no questions but those for addresses.
        Ok(Err(error)) => {
            tracing::debug!(%error, "Nobody knows the domain's services");
            return Ok(vec![itself]);
        }
        Err(_elapsed) => {
            tracing::debug!("Nobody said in time which services the domain has");
            return Ok(vec![itself]);
        }
    };
    if services.is_empty() {
        return Ok(vec![itself]);
    }
    let offered: Vec<_> =
        services.into_iter().filter(|service| !service.target.host.is_empty()).collect();
    if offered.is_empty() {
        return Err(LoginError::NotXmpp);
    }
    let mut targets = order(offered, |below| rand::random_range(0..below));
    targets.truncate(MAX_TARGETS);
    Ok(targets)
}

async fn services(domain: &str, resolver: &TokioResolver) -> Result<Vec<Service>, NetError> {
    let domain = domain.trim_end_matches('.');
    let (secure, plain) = tokio::join!(
        resolver.srv_lookup(format!("_xmpps-client._tcp.{domain}.")),
        resolver.srv_lookup(format!("_xmpp-client._tcp.{domain}.")),
    );
    let mut services = Vec::new();
    for (found, direct) in [(secure, true), (plain, false)] {
        let found = match found {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => continue,
            Err(error) => return Err(error),
        };
        for record in found.answers() {
            let RData::SRV(record) = &record.data else { continue };
            let host = record.target.to_ascii().trim_end_matches('.').to_owned();
            let target = Target { host, port: record.port, direct };
            let (priority, weight) = (record.priority, record.weight);
            services.push(Service { priority, weight, target });
        }
    }
    Ok(services)
}

/// The order of RFC 2782: by priority, and at random by weight where that is the same. `random`
/// returns a number below its argument.
fn order(mut services: Vec<Service>, mut random: impl FnMut(u32) -> u32) -> Vec<Target> {
    // Those without weight come first, so that they have a small chance of being chosen at all.
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut targets = Vec::with_capacity(services.len());
    while let Some(first) = services.first() {
        let priority = first.priority;
        let same = services.iter().take_while(|service| service.priority == priority);
        let sum: u32 = same.map(|service| u32::from(service.weight)).sum();
        let mut chosen = random(sum + 1);
        let mut index = 0;
        for (place, service) in services.iter().enumerate() {
            index = place;
            let weight = u32::from(service.weight);
            if chosen <= weight {
                break;
            }
            chosen -= weight;
        }
        targets.push(services.remove(index).target);
    }
    targets
}

#[cfg(test)]
pub(super) mod tests {
    use std::{net::SocketAddr, str::FromStr as _};

    use hickory_resolver::{
        config::{ConnectionConfig, NameServerConfig, ResolverConfig},
        net::runtime::TokioRuntimeProvider,
        proto::{
            op::{Message, ResponseCode},
            rr::{Name, Record, rdata::SRV},
        },
    };
    use tokio::{net::UdpSocket, task::JoinSet};

    use super::*;

    /// Services by the name that is asked for: priority, weight, port, target.
    pub(crate) type Zone = Vec<(&'static str, (u16, u16, u16, &'static str))>;

    /// A DNS server that knows only these, and one who asks it. It ends with the set.
    pub(crate) async fn resolver(zone: Zone, tasks: &mut JoinSet<()>) -> Resolver {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tasks.spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                answer(&socket, &buffer[..length], from, &zone).await;
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let provider = TokioRuntimeProvider::default();
        let resolver = TokioResolver::builder_with_config(config, provider).build().unwrap();
        Resolver::Own(Box::new(resolver))
    }

    async fn answer(socket: &UdpSocket, question: &[u8], from: SocketAddr, zone: &Zone) {
        let question = Message::from_vec(question).unwrap();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        let query = question.queries[0].clone();
        for (name, (priority, weight, port, target)) in zone {
            let name = Name::from_str(name).unwrap();
            if *query.name() == name {
                let target = Name::from_str(target).unwrap();
                let data = RData::SRV(SRV::new(*priority, *weight, *port, target));
                answer.add_answer(Record::from_rdata(name, 60, data));
            }
        }
        if answer.answers.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer.add_query(query);
        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
    }

    fn service(priority: u16, weight: u16, port: u16) -> Service {
        let target = Target { host: "a".to_owned(), port, direct: false };
        Service { priority, weight, target }
    }

    #[test]
    fn lower_priorities_come_first_and_weights_decide_among_the_same() {
        let services = vec![service(20, 0, 1), service(10, 30, 2), service(10, 10, 3)];
        let ports = |random: fn(u32) -> u32| -> Vec<u16> {
            order(services.clone(), random).iter().map(|target| target.port).collect()
        };
        assert_eq!(ports(|_| 0), [3, 2, 1]);
        assert_eq!(ports(|below| below - 1), [2, 3, 1]);
        assert_eq!(ports(|below| if below == 41 { 11 } else { 0 }), [2, 3, 1]);
    }

    #[tokio::test]
    async fn both_kinds_of_service_are_found_and_a_dot_means_none() {
        let mut tasks = JoinSet::new();
        let zone = vec![
            ("_xmpps-client._tcp.both.example.", (5, 0, 5223, "tls.both.example.")),
            ("_xmpp-client._tcp.both.example.", (1, 0, 5299, "plain.both.example.")),
            ("_xmpp-client._tcp.none.example.", (0, 0, 0, ".")),
            ("_xmpps-client._tcp.half.example.", (0, 0, 443, "tls.half.example.")),
            ("_xmpp-client._tcp.half.example.", (0, 0, 0, ".")),
        ];
        let resolver = resolver(zone, &mut tasks).await;
        let both = targets("both.example", &resolver).await.unwrap();
        let target = |host: &str, port, direct| Target { host: host.to_owned(), port, direct };
        assert_eq!(
            both,
            [target("plain.both.example", 5299, false), target("tls.both.example", 5223, true)]
        );
        assert!(matches!(targets("none.example", &resolver).await, Err(LoginError::NotXmpp)));
        let half = targets("half.example", &resolver).await.unwrap();
        assert_eq!(half, [target("tls.half.example", 443, true)]);
        let unknown = targets("unknown.example", &resolver).await.unwrap();
        assert_eq!(unknown, [target("unknown.example", 5222, false)]);
    }

    #[tokio::test]
    async fn this_computer_and_addresses_are_not_looked_up() {
        let mut tasks = JoinSet::new();
        let resolver = resolver(Vec::new(), &mut tasks).await;
        for domain in ["localhost", "xmpp.localhost", "192.0.2.1", "[2001:db8::1]"] {
            let found = targets(domain, &resolver).await.unwrap();
            assert_eq!((found.len(), found[0].host.as_str()), (1, domain));
        }
    }
}
