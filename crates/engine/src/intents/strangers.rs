//! What people say to a bot that is meant for somebody else. A small bot has too few examples to learn
//! that `what is the` means nothing; these sentences teach it, and tell the calibration what a
//! stranger scores. They are English: a bot of another language should bring its own
//! ([`super::Options::out_of_scope`]).

use std::collections::BTreeSet;

use crate::text::{key, words};

/// With more examples than this, a bot knows by itself which words mean nothing.
const SMALL: usize = 1_000;

/// At least so many, however few examples a bot has.
const FEWEST: usize = 24;

/// Words shorter than this do not say what a sentence is about.
const TELLING: usize = 5;

const STRANGERS: &[&str] = &[
    "what is the meaning of life",
    "how do I grow tomatoes on a balcony",
    "can you tell me a joke",
    "who was the first man on the moon",
    "I want to learn how to play the piano",
    "my neighbour has a big dog that barks all night",
    "is it going to rain this afternoon",
    "when does the next train to the airport leave",
    "please translate this sentence into Spanish",
    "where did you grow up",
    "what should I cook for dinner with rice and eggs",
    "I think the film was too long",
    "do you like football or tennis more",
    "how many people live in Brazil",
    "the soup is cold and there is a hair in it",
    "which shoes go well with a blue dress",
    "why is the sky blue",
    "could you play some jazz for me",
    "I have been to Italy twice and I loved it",
    "tell me something about the history of Rome",
    "are you a robot or a real girl",
    "set an alarm for six in the morning",
    "we are looking for a cheap hotel near the beach",
    "how far is it from Paris to London by car",
    "someone left a red umbrella in the lobby",
    "what is seven times eleven",
    "my sister is getting married in the spring",
    "can I bring my bicycle into the office",
    "that was not what he meant at all",
    "I would rather stay at home and read a novel",
    "does this jacket come in a smaller size",
    "how tall is the highest mountain in the world",
    "the printer on the second floor is out of paper",
    "who wrote the song that is playing now",
    "let us go for a walk in the park",
    "is there a vegan restaurant around here",
    "it took me three hours to paint the kitchen",
    "when is the best season to plant roses",
    "give me the score of the game last night",
    "what do cats dream about",
    "my son has a fever and a sore throat",
    "they say that the museum is closed for repairs",
    "I need a gift for a friend who likes chess",
    "how old is the universe",
    "remind me to water the plants in the evening",
    "she asked him for the recipe of the cake",
    "have you ever seen an elephant",
    "which language is spoken in Peru",
    "the battery of my phone runs down too quickly",
    "should I wear a coat today",
    "where is the closest petrol station",
    "nobody told us about the change of plans",
    "will robots take over the world",
    "I don't remember the name of that actor",
    "could we meet at noon instead of at four",
    "how long do I have to boil an egg",
    "what is your favourite colour",
    "all of the windows were open when it snowed",
    "does the bus stop in front of the library",
    "you are not very helpful with maths homework",
];

/// Strangers for a bot with these examples: none that shares a telling word with them (to a bot about
/// the weather, the weather is no stranger), and about as many as there are examples.
pub(super) fn for_examples<'e>(examples: impl Iterator<Item = &'e str>) -> Vec<&'static str> {
    let (mut count, mut spoken) = (0, BTreeSet::new());
    for example in examples {
        count += 1;
        if count > SMALL {
            return Vec::new();
        }
        let said = key(example);
        spoken.extend(words(&said).filter(|word| telling(word)).map(str::to_owned));
    }
    let shares = |stranger: &str| words(stranger).any(|word| telling(word) && spoken.contains(word));
    let unknown = STRANGERS.iter().copied().filter(|stranger| !shares(&key(stranger)));
    unknown.take(count.max(FEWEST)).collect()
}

fn telling(word: &str) -> bool {
    word.chars().count() >= TELLING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bot_is_about_is_no_stranger_to_it() {
        let strangers = for_examples(["will there be rain", "how is the weather this afternoon"].into_iter());
        assert!(strangers.len() >= 20);
        assert!(!strangers.iter().any(|stranger| stranger.contains("afternoon")));
    }

    #[test]
    fn a_large_bot_needs_no_strangers() {
        assert!(for_examples(std::iter::repeat_n("some example", SMALL + 1)).is_empty());
    }
}
