/** What the page is before it was given a file: constant, no word of anyone's file is in it. */
export const SHELL = `<main>
<section class="given screen" id="given" aria-label="Files">
<div class="drop">
<input type="file" multiple id="choose" class="hidden-input" aria-describedby="choose-hint"><label for="choose" class="button">Choose files</label>
<p id="choose-hint">or drop them anywhere: the certificate (certificate.certune) or the proof (run.certune), and if at hand the adapter (adapter_model.safetensors with adapter_config.json) and manifest.json</p>
</div>
<ul class="files" id="files" aria-label="Files that were given"></ul>
<div class="fields">
<div><label for="root">Commitment to the base</label><input type="text" id="root" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="root-hint root-wrong"><p class="quiet" id="root-hint">64 hexadecimal digits, from somebody whom you trust</p><p class="wrong" id="root-wrong" hidden></p></div>
<div><label for="key">Verification key</label><input type="text" id="key" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="key-hint key-wrong"><p class="quiet" id="key-hint">sha256:\u2026, from somebody whom you trust; not needed for keys of this release</p><p class="wrong" id="key-wrong" hidden></p></div>
</div>
<div class="actions"><button type="button" id="verify">Verify</button><button type="button" class="plain" id="clear">Start again</button><p role="status" id="status" class="quiet"></p></div>
</section>
<div id="result"></div>
<noscript><section><h2>This page needs its own script</h2><p>It verifies with the code inside it, and with nothing from anywhere else. Without scripts, certune verify does the same in a terminal.</p></section></noscript>
</main>`;
