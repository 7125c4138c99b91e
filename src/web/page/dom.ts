import { plain } from '../../io/escape.js';
import { type Tree, isSvg } from '../tree.js';

const SVG = 'http://www.w3.org/2000/svg';

/** A tree as nodes of the document: text is text nodes, with control characters as escapes; nothing is parsed. */
export function nodeOf(tree: Tree): Node {
  if (typeof tree === 'string') return document.createTextNode(plain(tree));
  const node = isSvg(tree.tag) ? document.createElementNS(SVG, tree.tag) : document.createElement(tree.tag);
  for (const [k, v] of tree.attributes) node.setAttribute(k, plain(v));
  node.append(...tree.children.map(nodeOf));
  return node;
}
