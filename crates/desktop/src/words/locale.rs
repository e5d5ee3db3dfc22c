//! The files of sentences, one a language.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};

use crate::language::Language;

/// The values in a sentence, by the names that the files give them.
pub(super) type Values<'a> = &'a [(&'static str, FluentValue<'a>)];

type Bundle = FluentBundle<FluentResource>;

/// Says a message, and what it says beside (its attributes) when `attribute` names it.
pub(super) fn say(
    language: Language,
    id: &'static str,
    attribute: Option<&str>,
    values: Values<'_>,
) -> String {
    #[cfg(test)]
    super::tests::note(id);
    let bundle = bundle(language);
    let message = bundle.get_message(id);
    let pattern = message.and_then(|message| match attribute {
        Some(name) => message.get_attribute(name).map(|attribute| attribute.value()),
        None => message.value(),
    });
    let Some(pattern) = pattern else {
        // The tests say every message in every language, so nobody reads this.
        debug_assert!(false, "no message {id} in {language:?}");
        tracing::error!(id, ?language, "A sentence is missing");
        return id.to_owned();
    };
    let values: FluentArgs<'_> = values.iter().cloned().collect();
    let mut errors = Vec::new();
    let said = bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned();
    debug_assert!(errors.is_empty(), "{id} in {language:?}: {errors:?}");
    if !errors.is_empty() {
        tracing::error!(id, ?language, ?errors, "A sentence misses something");
    }
    said
}

/// Returns the text of a file.
pub(super) fn source(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("../../locales/en.ftl"),
        Language::German => include_str!("../../locales/de.ftl"),
    }
}

fn bundle(language: Language) -> &'static Bundle {
    static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| read(Language::English));
    static GERMAN: LazyLock<Bundle> = LazyLock::new(|| read(Language::German));
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    }
}

fn read(language: Language) -> Bundle {
    let mut bundle = Bundle::new_concurrent(language.tag().parse().into_iter().collect());
    // Names are printable by then, and the window shows such marks as what they are in text from outside.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(source(language).to_owned());
    let (resource, errors) = match resource {
        Ok(resource) => (resource, Vec::new()),
        Err((resource, errors)) => (resource, errors),
    };
    debug_assert!(errors.is_empty(), "{language:?}: {errors:?}");
    let added = bundle.add_resource(resource);
    debug_assert!(added.is_ok(), "{language:?}: {added:?}");
    if !errors.is_empty() || added.is_err() {
        tracing::error!(?language, ?errors, ?added, "The sentences cannot be read completely");
    }
    bundle
}
