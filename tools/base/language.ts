/**
 * The little language of the demonstration's base: words and sentence patterns in English and French, side by side.
 * Every pattern gives a pair [English, French] with the same meaning. All of it was written for this project
 * (Apache-2.0, like the code).
 */

/** The same in English and in French. */
export type Pair = readonly [en: string, fr: string];
type Gender = 'm' | 'f';
interface Noun {
  readonly en: string;
  readonly fr: string;
  readonly g: Gender;
  readonly enPl: string;
  readonly frPl: string;
  /** A name of its own, without an article. */ readonly name?: boolean;
}
interface Adjective {
  readonly en: string;
  readonly m: string;
  readonly f: string;
}
interface Verb {
  readonly en: string;
  readonly enPl: string;
  readonly fr: string;
  readonly frPl: string;
}
/** A question and its answer, in both languages. */
export interface Fact {
  readonly question: Pair;
  readonly answer: Pair;
}
export interface Random {
  /** A number from 0 to 1. */ next(): number;
  /** An integer from 0 to n - 1. */ below(n: number): number;
  pick<T>(xs: readonly T[]): T;
  chance(p: number): boolean;
}

/** Numbers from a seed (mulberry32): the same on every machine. */
export function random(seed: number): Random {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (n) => Math.floor(next() * n), pick: (xs) => xs[Math.floor(next() * xs.length)], chance: (p) => next() < p };
}
/** Fisher-Yates on a copy. */
export function shuffled<T>(xs: readonly T[], r: Random): T[] {
  const out = [...xs];
  for (let i = out.length - 1; i > 0; i--) {
    const j = r.below(i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

// ---------------------------------------------------------------- words
const vowel = (w: string): boolean => /^[aeiouéêèœh]/.test(w);
const noun = (en: string, fr: string, g: Gender, enPl = `${en}s`, frPl = `${fr}s`): Noun => ({ en, fr, g, enPl, frPl });
export const the = (n: Noun): Pair =>
  n.name ? [n.en, n.fr] : [`the ${n.en}`, vowel(n.fr) ? `l'${n.fr}` : `${n.g === 'f' ? 'la' : 'le'} ${n.fr}`];
export const a = (n: Noun): Pair => [`${/^[aeiou]/.test(n.en) ? 'an' : 'a'} ${n.en}`, `${n.g === 'f' ? 'une' : 'un'} ${n.fr}`];
const to = (n: Noun): Pair =>
  n.name ? [`to ${n.en}`, `à ${n.fr}`] : [`to the ${n.en}`, vowel(n.fr) ? `à l'${n.fr}` : n.g === 'f' ? `à la ${n.fr}` : `au ${n.fr}`];

export const ANIMALS = [
  noun('cat', 'chat', 'm'),
  noun('dog', 'chien', 'm'),
  noun('bird', 'oiseau', 'm'),
  noun('horse', 'cheval', 'm'),
  noun('cow', 'vache', 'f'),
  noun('fish', 'poisson', 'm'),
  noun('mouse', 'souris', 'f'),
  noun('rabbit', 'lapin', 'm'),
  noun('hen', 'poule', 'f'),
  noun('sheep', 'mouton', 'm'),
  noun('frog', 'grenouille', 'f'),
  noun('bear', 'ours', 'm'),
  noun('fox', 'renard', 'm'),
  noun('duck', 'canard', 'm'),
];
export const PEOPLE = [
  noun('mother', 'mère', 'f'),
  noun('father', 'père', 'm'),
  noun('boy', 'garçon', 'm'),
  noun('girl', 'fille', 'f'),
  noun('baby', 'bébé', 'm'),
  noun('teacher', 'maîtresse', 'f'),
  noun('farmer', 'fermier', 'm'),
  noun('doctor', 'docteur', 'm'),
];
const name = (en: string, g: Gender): Noun => ({ en, fr: en, g, enPl: en, frPl: en, name: true });
const HEROES = PEOPLE.filter((x) => ['boy', 'girl', 'farmer'].includes(x.en));
export const NAMES = [name('Tom', 'm'), name('Anna', 'f'), name('Leo', 'm'), name('Mia', 'f'), name('Paul', 'm'), name('Emma', 'f')];
const FAMILY: readonly (readonly [Pair, Gender])[] = [
  [['my sister', 'ma sœur'], 'f'],
  [['my brother', 'mon frère'], 'm'],
  [['my mother', 'ma mère'], 'f'],
  [['my father', 'mon père'], 'm'],
  [['my grandmother', 'ma grand-mère'], 'f'],
  [['my grandfather', 'mon grand-père'], 'm'],
  [['my friend', 'mon ami'], 'm'],
];
export const THINGS = [
  noun('ball', 'ballon', 'm'),
  noun('book', 'livre', 'm'),
  noun('apple', 'pomme', 'f'),
  noun('flower', 'fleur', 'f'),
  noun('hat', 'chapeau', 'm', 'hats', 'chapeaux'),
  noun('car', 'voiture', 'f'),
  noun('boat', 'bateau', 'm', 'boats', 'bateaux'),
  noun('cake', 'gâteau', 'm', 'cakes', 'gâteaux'),
  noun('cup', 'tasse', 'f'),
  noun('letter', 'lettre', 'f'),
  noun('key', 'clé', 'f'),
  noun('chair', 'chaise', 'f'),
];
const adjective = (en: string, m: string, f = m): Adjective => ({ en, m, f });
const COLOURS = [
  adjective('red', 'rouge'),
  adjective('yellow', 'jaune'),
  adjective('blue', 'bleu', 'bleue'),
  adjective('green', 'vert', 'verte'),
  adjective('black', 'noir', 'noire'),
  adjective('white', 'blanc', 'blanche'),
];
const STATES = [
  adjective('happy', 'content', 'contente'),
  adjective('tired', 'fatigué', 'fatiguée'),
  adjective('sad', 'triste'),
  adjective('small', 'petit', 'petite'),
  adjective('big', 'grand', 'grande'),
  adjective('ill', 'malade'),
  adjective('good', 'gentil', 'gentille'),
];
const SIZES = [adjective('small', 'petit', 'petite'), adjective('big', 'grand', 'grande')];
const verb = (en: string, enPl: string, fr: string, frPl: string): Verb => ({ en, enPl, fr, frPl });
const ACTIONS = [
  verb('sleeps', 'sleep', 'dort', 'dorment'),
  verb('eats', 'eat', 'mange', 'mangent'),
  verb('runs', 'run', 'court', 'courent'),
  verb('sings', 'sing', 'chante', 'chantent'),
  verb('plays', 'play', 'joue', 'jouent'),
  verb('walks', 'walk', 'marche', 'marchent'),
  verb('jumps', 'jump', 'saute', 'sautent'),
  verb('waits', 'wait', 'attend', 'attendent'),
  verb('drinks', 'drink', 'boit', 'boivent'),
];
const DEEDS = [
  verb('sees', 'see', 'voit', 'voient'),
  verb('likes', 'like', 'aime', 'aiment'),
  verb('finds', 'find', 'trouve', 'trouvent'),
  verb('takes', 'take', 'prend', 'prennent'),
  verb('wants', 'want', 'veut', 'veulent'),
  verb('looks for', 'look for', 'cherche', 'cherchent'),
  verb('has', 'have', 'a', 'ont'),
];
const PLACES: readonly Pair[] = [
  ['in the garden', 'dans le jardin'],
  ['in the house', 'dans la maison'],
  ['under the tree', "sous l'arbre"],
  ['on the table', 'sur la table'],
  ['under the table', 'sous la table'],
  ['in the forest', 'dans la forêt'],
  ['at the farm', 'à la ferme'],
  ['on the bed', 'sur le lit'],
  ['in the kitchen', 'dans la cuisine'],
  ['at school', "à l'école"],
  ['in the street', 'dans la rue'],
  ['by the river', 'près de la rivière'],
  ['in the field', 'dans le champ'],
  ['behind the door', 'derrière la porte'],
];
// Where one does things; what lies somewhere may lie on the table too.
const ACTION_PLACES = PLACES.filter(([en]) => !/table|door|bed/.test(en));
const TIMES: readonly Pair[] = [
  ['in the morning', 'le matin'],
  ['in the evening', 'le soir'],
  ['every day', 'tous les jours'],
  ['today', "aujourd'hui"],
  ['on Sunday', 'le dimanche'],
];
const GOALS: readonly Pair[] = [
  ['to school', "à l'école"],
  ['to the market', 'au marché'],
  ['to the farm', 'à la ferme'],
  ['to the river', 'à la rivière'],
  ['to bed', 'au lit'],
  ['to the garden', 'au jardin'],
  ['home', 'à la maison'],
];
const WEATHER: readonly Pair[] = [
  ['it is raining', 'il pleut'],
  ['it is snowing', 'il neige'],
  ['it is cold', 'il fait froid'],
  ['it is hot', 'il fait chaud'],
  ['the sun is shining', 'le soleil brille'],
  ['the wind is blowing', 'le vent souffle'],
  ['the sky is blue', 'le ciel est bleu'],
  ['it is night', 'il fait nuit'],
];
export const NUMBERS: readonly Pair[] = [
  ['one', 'un'],
  ['two', 'deux'],
  ['three', 'trois'],
  ['four', 'quatre'],
  ['five', 'cinq'],
  ['six', 'six'],
  ['seven', 'sept'],
  ['eight', 'huit'],
  ['nine', 'neuf'],
  ['ten', 'dix'],
];
export const DAYS: readonly Pair[] = [
  ['Monday', 'lundi'],
  ['Tuesday', 'mardi'],
  ['Wednesday', 'mercredi'],
  ['Thursday', 'jeudi'],
  ['Friday', 'vendredi'],
  ['Saturday', 'samedi'],
  ['Sunday', 'dimanche'],
];

// ---------------------------------------------------------------- sentences
const cap = (s: string): string => s[0].toUpperCase() + s.slice(1);
/** Ends a pair of clauses as two sentences. */
export const sentence = ([en, fr]: Pair, mark = '.'): Pair => [cap(en) + mark, cap(fr) + (mark === '.' ? mark : ` ${mark}`)];
/** Joins pairs word group by word group. */
const join = (...parts: readonly Pair[]): Pair => [parts.map(([en]) => en).join(' '), parts.map(([, fr]) => fr).join(' ')];
const agree = (adj: Adjective, g: Gender): Pair => [adj.en, adj[g]];
const doer = (r: Random): Noun => r.pick(r.chance(0.5) ? ANIMALS : r.chance(0.5) ? PEOPLE : NAMES);

const PATTERNS: readonly ((r: Random) => Pair)[] = [
  // The cat sleeps in the garden.
  (r) => join(the(doer(r)), one(r.pick(ACTIONS)), r.pick(ACTION_PLACES)),
  (r) => join(the(doer(r)), one(r.pick(ACTIONS)), r.pick(ACTION_PLACES)),
  // Anna sings in the morning.
  (r) => join(the(doer(r)), one(r.pick(ACTIONS)), r.pick(TIMES)),
  // The mother is tired.
  (r) => {
    const n = doer(r);
    return join(the(n), ['is', 'est'], agree(r.pick(STATES), n.g));
  },
  // Leo finds a key.
  (r) => join(the(doer(r)), one(r.pick(DEEDS)), a(r.pick(THINGS))),
  (r) => join(the(doer(r)), one(r.pick(DEEDS)), a(r.pick(THINGS))),
  // The girl sees the rabbit.
  (r) => {
    const [x, y] = two(r);
    return join(the(x), one(r.pick(DEEDS.slice(0, 3))), the(y));
  },
  // The boy wants a red ball.
  (r) => {
    const n = r.pick(THINGS),
      c = r.pick(COLOURS);
    const [en, fr] = a(n);
    return join(the(doer(r)), one(r.pick(DEEDS)), [en.replace(/^an? /, `a ${c.en} `), `${fr} ${c[n.g]}`]);
  },
  // The hat is blue.
  (r) => {
    const n = r.pick(THINGS);
    return join(the(n), ['is', 'est'], agree(r.pick(COLOURS), n.g));
  },
  // There is a frog by the river.
  (r) => join(['there is', 'il y a'], a(r.pick(r.chance(0.6) ? ANIMALS : THINGS)), r.pick(PLACES)),
  // The ball is under the table.
  (r) => join(the(r.pick(r.chance(0.5) ? THINGS : ANIMALS)), ['is', 'est'], r.pick(PLACES)),
  // Tom has three apples.
  (r) => {
    const n = r.pick(THINGS),
      k = 1 + r.below(5);
    return join(the(doer(r)), one(DEEDS[r.pick([0, 4, 6])]), [`${NUMBERS[k][0]} ${n.enPl}`, `${NUMBERS[k][1]} ${n.frPl}`]);
  },
  // Paul gives a cake to the teacher.
  (r) => {
    const [x, y] = two(r);
    return join(the(x), ['gives', 'donne'], a(r.pick(THINGS)), to(y));
  },
  // My sister goes to school.
  (r) => join(r.pick(FAMILY)[0], ['goes', 'va'], r.pick(GOALS)),
  (r) => join(the(doer(r)), ['goes', 'va'], r.pick(GOALS)),
  (r) => {
    const [who, g] = r.pick(FAMILY);
    return join(who, ['is', 'est'], agree(r.pick(STATES), g));
  },
  (r) => join(r.pick(FAMILY)[0], one(r.pick(ACTIONS)), r.pick(ACTION_PLACES)),
  // Mia and the dog play in the field.
  (r) => {
    const [x, y] = two(r);
    return join(the(x), ['and', 'et'], the(y), many(r.pick(ACTIONS)), r.pick(ACTION_PLACES));
  },
  (r) => r.pick(WEATHER),
];
const one = (v: Verb): Pair => [v.en, v.fr];
const many = (v: Verb): Pair => [v.enPl, v.frPl];
function two(r: Random): [Noun, Noun] {
  const x = doer(r);
  let y = doer(r);
  while (y === x) y = doer(r);
  return [x, y];
}
/** A random sentence pair. */
export const anySentence = (r: Random): Pair => sentence(r.pick(PATTERNS)(r));

// ---------------------------------------------------------------- facts, with the question that each answers
const fact = (question: Pair, answer: Pair): Fact => ({ question: sentence(question, '?'), answer: sentence(answer) });
const colour = (n: Noun, adj: Adjective): Fact =>
  fact([`what colour is the ${n.en}`, `de quelle couleur est ${the(n)[1]}`], join(the(n), ['is', 'est'], agree(adj, n.g)));
const eats = (n: Noun, en: string, fr: string): Fact =>
  fact([`what does the ${n.en} eat`, `que mange ${the(n)[1]}`], join(the(n), ['eats', 'mange'], [en, fr]));
const lives = (n: Noun, en: string, fr: string): Fact =>
  fact([`where does the ${n.en} live`, `où vit ${the(n)[1]}`], join(the(n), ['lives', 'vit'], [en, fr]));
const [CAT, DOG, BIRD, HORSE, COW, FISH, MOUSE, RABBIT, HEN, SHEEP, FROG, BEAR, FOX, DUCK] = ANIMALS;
const [RED, YELLOW, BLUE, GREEN, BLACK, WHITE] = COLOURS;
const BROWN = adjective('brown', 'brun', 'brune'),
  GREY = adjective('grey', 'gris', 'grise');
const sums: Fact[] = [];
for (let x = 1; x <= 5; x++)
  for (let y = 1; x + y <= 10 && y <= 5; y++) {
    const [p, q, s] = [NUMBERS[x - 1], NUMBERS[y - 1], NUMBERS[x + y - 1]];
    sums.push(
      fact(
        [`how much is ${p[0]} and ${q[0]}`, `combien font ${p[1]} et ${q[1]}`],
        [`${p[0]} and ${q[0]} make ${s[0]}`, `${p[1]} et ${q[1]} font ${s[1]}`],
      ),
    );
  }
export const FACTS: Readonly<Record<'colours' | 'food' | 'homes' | 'days' | 'sums', readonly Fact[]>> = {
  colours: [
    colour(noun('sun', 'soleil', 'm'), YELLOW),
    colour(noun('snow', 'neige', 'f'), WHITE),
    colour(noun('grass', 'herbe', 'f'), GREEN),
    colour(noun('sky', 'ciel', 'm'), BLUE),
    colour(noun('night', 'nuit', 'f'), BLACK),
    colour(noun('milk', 'lait', 'm'), WHITE),
    colour(noun('sea', 'mer', 'f'), BLUE),
    colour(noun('tree', 'arbre', 'm'), GREEN),
    colour(noun('lemon', 'citron', 'm'), YELLOW),
    colour(noun('moon', 'lune', 'f'), WHITE),
    colour(noun('tomato', 'tomate', 'f'), RED),
    colour(BEAR, BROWN),
    colour(FROG, GREEN),
    colour(MOUSE, GREY),
    colour(SHEEP, WHITE),
    colour(noun('fire', 'feu', 'm'), RED),
  ],
  food: [
    eats(COW, 'grass', "de l'herbe"),
    eats(CAT, 'fish', 'du poisson'),
    eats(RABBIT, 'carrots', 'des carottes'),
    eats(DOG, 'meat', 'de la viande'),
    eats(MOUSE, 'cheese', 'du fromage'),
    eats(BIRD, 'seeds', 'des graines'),
    eats(BEAR, 'honey', 'du miel'),
    eats(HORSE, 'hay', 'du foin'),
    eats(FROG, 'flies', 'des mouches'),
    eats(FOX, 'hens', 'des poules'),
    eats(DUCK, 'bread', 'du pain'),
    eats(SHEEP, 'grass', "de l'herbe"),
    eats(HEN, 'corn', 'du maïs'),
    eats(FISH, 'worms', 'des vers'),
  ],
  homes: [
    lives(FISH, 'in the river', 'dans la rivière'),
    lives(BEAR, 'in the forest', 'dans la forêt'),
    lives(HEN, 'at the farm', 'à la ferme'),
    lives(BIRD, 'in the tree', "dans l'arbre"),
    lives(COW, 'in the field', 'dans le champ'),
    lives(DOG, 'in the house', 'dans la maison'),
    lives(FOX, 'in the forest', 'dans la forêt'),
    lives(SHEEP, 'in the field', 'dans le champ'),
    lives(CAT, 'in the house', 'dans la maison'),
    lives(FROG, 'by the river', 'près de la rivière'),
    lives(RABBIT, 'in the garden', 'dans le jardin'),
    lives(HORSE, 'at the farm', 'à la ferme'),
  ],
  days: DAYS.map((d, k) => {
    const n = DAYS[(k + 1) % 7];
    return fact(
      [`what day comes after ${d[0]}`, `quel jour vient après ${d[1]}`],
      [`${n[0]} comes after ${d[0]}`, `${n[1]} vient après ${d[1]}`],
    );
  }),
  sums,
};

// ---------------------------------------------------------------- stories
const he = (g: Gender): Pair => (g === 'f' ? ['she', 'elle'] : ['he', 'il']);
const NEEDS: readonly ((g: Gender) => Pair)[] = [
  (g) => join(he(g), ['is hungry', 'a faim']),
  (g) => join(he(g), ['is thirsty', 'a soif']),
  (g) => join(he(g), ['is cold', 'a froid']),
  (g) => join(he(g), ['is tired', `est ${g === 'f' ? 'fatiguée' : 'fatigué'}`]),
  (g) => join(he(g), ['is alone', `est ${g === 'f' ? 'seule' : 'seul'}`]),
];
const ENDS: readonly ((g: Gender) => Pair)[] = [
  (g) => join(['now', 'maintenant'], he(g), ['is happy', `est ${g === 'f' ? 'contente' : 'content'}`]),
  (g) => join(he(g), ['is not sad any more', "n'est plus triste"]),
  (g) => join(['then', 'puis'], he(g), ['goes to sleep', 'va dormir']),
  (g) => join(he(g), ['goes home', 'rentre à la maison']),
  (g) => join(he(g), ['laughs', 'rit']),
];
/** A little story as sentence pairs: somebody needs something, meets somebody, and all ends well. */
export function story(r: Random): Pair[] {
  const hero = r.pick(r.chance(0.6) ? ANIMALS : HEROES),
    size = r.pick(SIZES),
    other = r.pick(ANIMALS.filter((x) => x !== hero));
  const out: Pair[] = [];
  if (r.chance(0.5)) out.push(r.pick(WEATHER));
  out.push(
    join(['once there was a', hero.g === 'f' ? 'il était une fois une' : 'il était une fois un'], agree(size, hero.g), [hero.en, hero.fr]),
  );
  out.push(r.pick(NEEDS)(hero.g));
  out.push(join(he(hero.g), ['goes', 'va'], r.pick(GOALS)));
  out.push(
    join(
      he(hero.g),
      r.pick<Pair>([
        ['sees', 'voit'],
        ['meets', 'rencontre'],
      ]),
      a(other),
    ),
  );
  out.push(
    r.chance(0.5)
      ? join(the(other), ['gives', 'donne'], a(r.pick(THINGS)), to(hero))
      : join(the(hero), ['and', 'et'], the(other), many(r.pick(ACTIONS)), r.pick(ACTION_PLACES)),
  );
  out.push(r.pick(ENDS)(hero.g));
  return out.map((x) => sentence(x));
}
