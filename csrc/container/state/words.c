/* words.c: names for containers that were given none.
 * In: how often one was taken already.  Out: an adjective and the name of somebody who found
 * something out, as docker has them: short enough to type, and told apart when read aloud.
 * Never: a look whether it is free: making the name tells (names.c). */
#include "container/state/entry.h"

#include <errno.h>
#include <sys/random.h>

static const char adjectives[][10] = {
    "able",    "amber",    "ample",    "apt",     "blithe",  "bold",     "brave",    "breezy",
    "bright",  "brisk",    "calm",     "candid",  "careful", "cheerful", "clear",    "clever",
    "cosy",    "crisp",    "curious",  "daring",  "deft",    "eager",    "earnest",  "easy",
    "elegant", "fair",     "fearless", "fine",    "fond",    "frank",    "fresh",    "friendly",
    "gallant", "generous", "gentle",   "giddy",   "glad",    "golden",   "graceful", "grand",
    "happy",   "hardy",    "hearty",   "helpful", "honest",  "humble",   "jolly",    "jovial",
    "keen",    "kind",     "lively",   "loyal",   "lucid",   "lucky",    "merry",    "mild",
    "modest",  "neat",     "nimble",   "noble",   "patient", "peaceful", "placid",   "plucky",
    "polite",  "prompt",   "proud",    "quick",   "quiet",   "radiant",  "ready",    "relaxed",
    "robust",  "rosy",     "serene",   "sharp",   "silent",  "silver",   "sincere",  "smart",
    "sober",   "steady",   "stellar",  "stoic",   "sunny",   "swift",    "tender",   "thrifty",
    "tidy",    "tranquil", "trusty",   "upbeat",  "vivid",   "warm",     "wise",     "witty",
    "zesty"};

static const char surnames[][14] = {
    "abel",        "ampere",       "archimedes",   "babbage",    "banach",      "bardeen",
    "bell",        "bernoulli",    "bessel",       "bohr",       "boole",       "born",
    "bose",        "bragg",        "brahe",        "brouwer",    "cantor",      "carnot",
    "cauchy",      "cavendish",    "celsius",      "chandra",    "church",      "clausius",
    "cori",        "coulomb",      "crick",        "curie",      "dalton",      "darwin",
    "davy",        "dedekind",     "descartes",    "dirac",      "doppler",     "edison",
    "einstein",    "eratosthenes", "erdos",        "euclid",     "euler",       "faraday",
    "fermat",      "fermi",        "feynman",      "fibonacci",  "fleming",     "fourier",
    "franklin",    "frege",        "galileo",      "galois",     "galvani",     "gauss",
    "germain",     "gibbs",        "goodall",      "goppert",    "hamilton",    "hawking",
    "heaviside",   "heisenberg",   "henry",        "herschel",   "hertz",       "hilbert",
    "hodgkin",     "hopper",       "hubble",       "huygens",    "hypatia",     "jacobi",
    "jemison",     "johnson",      "joule",        "kelvin",     "kepler",      "khwarizmi",
    "kirchhoff",   "knuth",        "kovalevskaya", "lagrange",   "landau",      "laplace",
    "lavoisier",   "leavitt",      "leibniz",      "linnaeus",   "lovelace",    "mach",
    "maxwell",     "mayer",        "mcclintock",   "meitner",    "mendel",      "mendeleev",
    "minkowski",   "mirzakhani",   "moore",        "morse",      "napier",      "newton",
    "nightingale", "nobel",        "noether",      "ohm",        "oppenheimer", "pascal",
    "pasteur",     "pauli",        "payne",        "peano",      "planck",      "poincare",
    "ptolemy",     "pythagoras",   "raman",        "ramanujan",  "riemann",     "ritchie",
    "robinson",    "rontgen",      "rubin",        "rutherford", "sagan",       "salk",
    "schrodinger", "shannon",      "somerville",   "sturgeon",   "tarski",      "tesla",
    "thales",      "thompson",     "torricelli",   "turing",     "villani",     "volta",
    "wallace",     "watt",         "weierstrass",  "weil",       "wien",        "wiles",
    "wozniak",     "wright",       "wu",           "yalow",      "yukawa",      "zeno"};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

int prl_name_new(unsigned taken, char name[PRL_NAME_MAX + 1])
{
    uint32_t random[3];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return errno ? -errno : -EIO;
    int n = snprintf(name, PRL_NAME_MAX + 1, "%s_%s", adjectives[random[0] % COUNT(adjectives)],
                     surnames[random[1] % COUNT(surnames)]);
    if (taken > 0) /* of thousands of containers some have the same words */
        snprintf(name + n, (size_t)(PRL_NAME_MAX + 1 - n), "%u", random[2] % 10000);
    return 0;
}
