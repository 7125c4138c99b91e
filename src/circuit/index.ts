export { CircuitChannel, KINDS, type Kind } from './channel.js';
export { type Circuit, type Heights, circuitCells, circuitProgram, compileCircuit, fixedColumns, heightsOf } from './program.js';
export { statementWires, verifyInCircuit } from './verifier.js';
