export { setSmall } from '../tools/run-settings.js';
