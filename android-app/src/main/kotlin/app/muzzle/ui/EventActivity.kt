package app.muzzle.ui

import android.app.AlertDialog
import android.content.ClipData
import android.content.ClipboardManager
import android.content.Context
import android.content.Intent
import android.graphics.Typeface
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.widget.LinearLayout
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.Outcome
import app.muzzle.core.Verdict
import app.muzzle.core.WholeEvent
import app.muzzle.graph
import app.muzzle.settings.withVerdict

/** One event: what was sent, where to, why it went as it did, and how that is known. */
class EventActivity : ScreenActivity() {
    private class Loaded(
        val event: WholeEvent,
        val raw: RawRequest?,
    )

    private val id get() = intent.getLongExtra(ID, 0)
    private var form = 0
    private var allFields = false

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        form = savedInstanceState?.getInt(FORM) ?: 0
        allFields = savedInstanceState?.getBoolean(ALL_FIELDS) ?: false
        toolbar.setTitle(R.string.event)
        showUp()
        reload()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(FORM, form)
        state.putBoolean(ALL_FIELDS, allFields)
    }

    private fun reload() {
        showLoading()
        load({ read() }, failed = { showError(it) { reload() } }) {
            if (it == null) showEmpty(R.string.event_gone, R.string.event_gone_text) else showEvent(it)
        }
    }

    private fun read(): Loaded? {
        val event = graph.core.event(id)?.let(WholeEvent::of) ?: return null
        faces.learnFrom(listOf(event.row))
        return Loaded(event, graph.core.raw(id)?.let(RawRequest::of))
    }

    private fun showEvent(loaded: Loaded) {
        val details = Details(this)
        showWhat(details, loaded.event)
        showFields(details, loaded)
        showWhere(details, loaded.event)
        showWhy(details, loaded.event)
        showHow(details, loaded.event)
        showRaw(details, loaded)
        show(details.root)
    }

    private fun showWhat(
        details: Details,
        event: WholeEvent,
    ) = details.section(R.string.what_was_sent) {
        text(sentence(this@EventActivity, event.row, faces.sender(event.row)))
        val outcome = text(listOf(getString(event.row.outcome.word), times.exact(event.row.time)).joinToString(" · "))
        outcome.setTextAppearance(R.style.Text_Small)
        outcome.setCompoundDrawablesRelativeWithIntrinsicBounds(event.row.outcome.icon, 0, 0, 0)
        outcome.compoundDrawablePadding = resources.getDimensionPixelSize(R.dimen.edge) / 2
        if (event.row.outcome == Outcome.STOPPED) text(getString(R.string.nothing_left)).setTextAppearance(R.style.Text_Small)
        if (event.row.outcome == Outcome.ANSWERED) text(getString(R.string.answered_text)).setTextAppearance(R.style.Text_Small)
        event.row.host?.let { host ->
            button(R.string.allow_host) { decide(event, host, Verdict.ALLOW) }
            button(R.string.block_host) { decide(event, host, Verdict.BLOCK) }
        }
        button(R.string.share_event) { askToShare(event) }
    }

    private fun decide(
        event: WholeEvent,
        host: String,
        verdict: Verdict,
    ) {
        val app = event.row.packageName
        val whom = app?.let(faces::label) ?: getString(R.string.all_apps)
        val said = if (verdict == Verdict.ALLOW) R.string.allowed_for else R.string.blocked_for
        change(getString(said, host, whom), {}) { it.withVerdict(host, app, verdict, graph.clock.millis()) }
    }

    private fun showFields(
        details: Details,
        loaded: Loaded,
    ) {
        val fields = loaded.event.fields
        if (fields.isEmpty()) return
        details.section(R.string.fields) {
            for (field in if (allFields) fields else fields.take(FEW_FIELDS)) {
                val mark = field.identifier?.let { identifierWord(this@EventActivity, it) }
                val kind = KINDS.word(this@EventActivity, field.kind)
                val words = listOfNotNull(field.path, kind, mark?.let { getString(R.string.is_identifier, it) })
                fact(words.joinToString(" · "), field.value, if (mark == null) 0 else R.drawable.ic_identifier)
            }
            if (!allFields && fields.size > FEW_FIELDS) {
                button(R.string.show_all_fields) {
                    allFields = true
                    showEvent(loaded)
                }
            }
        }
    }

    private fun showWhere(
        details: Details,
        event: WholeEvent,
    ) = details.section(R.string.where_to) {
        fact(R.string.host, event.row.host)
        fact(R.string.address, event.address)
        fact(R.string.place, placeWords(this@EventActivity, event.country, event.operator))
        fact(R.string.network, event.network)
        fact(R.string.bytes, event.bytes?.let { getString(R.string.bytes_up_down, it.first, it.second) })
        event.row.host?.let { host -> button(R.string.about_host) { startActivity(HostActivity.of(this@EventActivity, host)) } }
    }

    private fun showWhy(
        details: Details,
        event: WholeEvent,
    ) = details.section(R.string.why) {
        text(REASONS.word(this@EventActivity, event.reason))
        fact(R.string.rule, event.rule)
        fact(R.string.list, event.list)
        event.row.packageName?.let { name ->
            fact(R.string.app_setting_now, getString(graph.settings.now.settingOf(name).word))
            button(R.string.about_app) { startActivity(AppActivity.of(this@EventActivity, name)) }
        }
    }

    private fun showHow(
        details: Details,
        event: WholeEvent,
    ) = details.section(R.string.how_we_know) {
        fact(R.string.state, event.state?.let { getString(stateWord(it)) })
        fact(R.string.transport, event.row.transport)
        fact(R.string.protocol, event.row.protocol)
        fact(R.string.event_name, event.row.event)
        fact(R.string.decoder, event.decoder)
        fact(R.string.checks, event.checks.joinToString(", "))
        fact(R.string.problems, event.problems.joinToString(", "))
    }

    private fun showRaw(
        details: Details,
        loaded: Loaded,
    ) = details.section(R.string.raw) {
        if (loaded.raw == null) text(getString(R.string.no_raw)).setTextAppearance(R.style.Text_Small)
        val forms = listOf(R.string.raw_form, R.string.raw_json, R.string.raw_hex)
        val bar = ChoiceBar(this@EventActivity)
        card.addView(bar, LinearLayout.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT))
        val shown = text("")
        shown.setTextAppearance(R.style.Text_Small)
        shown.typeface = Typeface.MONOSPACE
        shown.textAlignment = View.TEXT_ALIGNMENT_TEXT_START
        shown.setTextIsSelectable(true)
        button(R.string.copy) { copy(shown.text) }
        fillRaw(shown, bar, forms, loaded)
    }

    private fun fillRaw(
        shown: TextView,
        bar: ChoiceBar,
        forms: List<Int>,
        loaded: Loaded,
    ) {
        bar.show(
            if (loaded.raw ==
                null
            ) {
                listOf(R.string.raw_json)
            } else {
                forms
            },
            if (loaded.raw == null) 0 else form,
            getString(R.string.raw),
        ) {
            form = it
            fillRaw(shown, bar, forms, loaded)
        }
        shown.text =
            when {
                loaded.raw == null || form == 1 -> loaded.event.json.toString(2)
                form == 0 -> loaded.raw.asText()
                else -> loaded.raw.asHex()
            }
    }

    private fun copy(text: CharSequence) {
        val clip = ClipData.newPlainText(getString(R.string.event), text)
        checkNotNull(getSystemService(ClipboardManager::class.java)).setPrimaryClip(clip)
    }

    private fun askToShare(event: WholeEvent) {
        val choices = arrayOf(getString(R.string.share_covered), getString(R.string.share_whole))
        AlertDialog
            .Builder(this)
            .setTitle(R.string.share_event)
            .setItems(choices) { _, at -> share(if (at == 0) event.covered(getString(R.string.covered)) else event) }
            .show()
    }

    private fun share(event: WholeEvent) {
        val words = sentence(this, event.row, faces.sender(event.row))
        val send = Intent(Intent.ACTION_SEND).setType("text/plain")
        send.putExtra(Intent.EXTRA_TEXT, words + "\n\n" + event.json.toString(2))
        startActivity(Intent.createChooser(send, getString(R.string.share_event)))
    }

    companion object {
        private const val ID = "id"
        private const val FORM = "form"
        private const val ALL_FIELDS = "all-fields"
        private const val FEW_FIELDS = 40

        fun of(
            context: Context,
            id: Long,
        ): Intent = Intent(context, EventActivity::class.java).putExtra(ID, id)
    }
}

private fun stateWord(code: String): Int =
    when (code) {
        "decoded" -> R.string.state_decoded
        "encrypted" -> R.string.state_encrypted
        "blocked" -> R.string.state_blocked
        else -> R.string.state_undecodable
    }
