package app.muzzle.ui

import android.view.View
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.HostCount
import app.muzzle.core.Identifier
import app.muzzle.core.Rule
import app.muzzle.core.Stop
import app.muzzle.core.Verdict
import app.muzzle.graph
import app.muzzle.settings.HostOverride
import app.muzzle.settings.overrideOf
import app.muzzle.settings.withHost
import app.muzzle.settings.withVerdict
import app.muzzle.settings.withoutHost

/** What the owner can say about a host; null leaves it to the lists. */
val HOST_VERDICTS = listOf(null, Verdict.ALLOW, Verdict.RECORD, Verdict.BLOCK)

/** Shows what the owner said about a host, for an app or for all, and changes it. */
fun ChoiceBar.showVerdict(
    screen: ScreenActivity,
    host: String,
    packageName: String?,
    done: () -> Unit,
) {
    val now = screen.graph.clock.millis()
    val said = screen.graph.settings.now.overrideOf(host, packageName, now)?.verdict
    val words = HOST_VERDICTS.map { it?.word ?: R.string.verdict_default }
    show(words, HOST_VERDICTS.indexOf(said), screen.getString(R.string.setting_of, host)) { at ->
        val verdict = HOST_VERDICTS[at]
        screen.change(screen.getString(R.string.app_set, host, screen.getString(words[at])), done) {
            it.withVerdict(host, packageName, verdict, now)
        }
    }
}

/** A host that an app speaks to, with what happens to it. */
class HostLine(
    private val screen: ScreenActivity,
    private val host: HostCount,
    private val packageName: String,
    private val changed: () -> Unit,
) : Row {
    override val layout = R.layout.host_row

    override fun fill(view: View) {
        view.find<TextView>(R.id.host_name).text = host.host
        view.find<TextView>(R.id.host_about).line(host.rule?.let { aboutRule(screen, it) })
        view.find<TextView>(R.id.host_side_effect).line(sideEffect(screen, host.rule))
        view.find<TextView>(R.id.host_seen).text = seen()
        view.find<ChoiceBar>(R.id.host_verdict).showVerdict(screen, host.host, packageName, changed)
        view.setOnClickListener { screen.startActivity(HostActivity.of(screen, host.host)) }
    }

    private fun seen() =
        listOfNotNull(
            host.decision?.let { screen.getString(it.verdict.sentence) },
            countWords(screen, host.counts),
            screen.getString(R.string.last_seen, screen.times.ago(host.last)),
            host.server?.let { placeWords(screen, it.country, it.operator) },
        ).joinToString(" · ")
}

fun sideEffect(
    screen: ScreenActivity,
    rule: Rule?,
): String? = rule?.sideEffect?.takeIf { it.isNotEmpty() }?.let { screen.getString(R.string.side_effect, it) }

/** A host that was refused to an app, and how to let it through. */
class StopLine(
    private val screen: ScreenActivity,
    private val stop: Stop,
    private val packageName: String,
    private val changed: () -> Unit,
) : Row {
    override val layout = R.layout.stop_row

    override fun fill(view: View) {
        val override = screen.graph.settings.now.overrideOf(stop.host, packageName, now())
        val allowed = override?.takeIf { it.verdict == Verdict.ALLOW }
        view.find<TextView>(R.id.stop_host).text = stop.host
        view.find<TextView>(R.id.stop_side_effect).text = sideEffect(screen, stop.rule) ?: screen.getString(R.string.no_side_effect)
        view.find<TextView>(R.id.stop_rule).text = why()
        view.find<TextView>(R.id.stop_now).line(allowed?.let(::allowedWords))
        val actions = view.find<LinearLayout>(R.id.stop_actions)
        if (screen.resources.configuration.fontScale >= LARGE_FONT) actions.orientation = LinearLayout.VERTICAL
        view.act(R.id.stop_minutes, allowed == null) { allow(now() + MINUTES * MINUTE_MS) }
        view.act(R.id.stop_always, allowed?.until != null || allowed == null) { allow(null) }
        view.act(R.id.stop_back, allowed != null, ::takeBack)
    }

    private fun why(): String {
        val times = screen.resources.getQuantityString(R.plurals.stopped_times, stop.count.toInt(), stop.count.toInt())
        val reason = stop.reason?.let { REASONS.word(screen, it) }
        val rule = stop.rule?.let { screen.getString(R.string.rule_of_list, it.rule, it.list) }
        return listOfNotNull(times, screen.times.ago(stop.last), reason, rule).joinToString(" · ")
    }

    private fun allowedWords(override: HostOverride) =
        override.until?.let { screen.getString(R.string.allowed_until, screen.times.time(it)) }
            ?: screen.getString(R.string.allowed_always)

    private fun allow(until: Long?) {
        val who = screen.faces.label(packageName)
        screen.change(screen.getString(R.string.allowed_for, stop.host, who), changed) {
            it.withHost(HostOverride(stop.host, Verdict.ALLOW, packageName, until), now())
        }
    }

    private fun takeBack() =
        screen.change(screen.getString(R.string.left_to_lists, stop.host), changed) {
            it.withoutHost(stop.host, packageName)
        }

    private fun View.act(
        id: Int,
        can: Boolean,
        what: () -> Unit,
    ) {
        val button = find<Button>(id)
        button.shown(can)
        button.setOnClickListener { what() }
    }

    private fun now() = screen.graph.clock.millis()

    private companion object {
        const val MINUTES = 15
        const val MINUTE_MS = 60_000L
    }
}

/** An identifier, covered until it is touched. */
class IdentifierLine(
    private val screen: ScreenActivity,
    private val identifier: Identifier,
    private val revealed: MutableSet<String>,
    private val changed: () -> Unit,
) : Row {
    override val layout = R.layout.identifier_row

    override fun fill(view: View) {
        val key = identifier.kind + " " + identifier.value
        val open = key in revealed
        view.find<TextView>(R.id.id_kind).text = identifierWord(screen, identifier.kind)
        val value = view.find<TextView>(R.id.id_value)
        value.text = if (open) identifier.value else screen.getString(R.string.value_hidden)
        value.setOnClickListener {
            if (!revealed.remove(key)) revealed += key
            changed()
        }
        val times = screen.times
        view.find<TextView>(R.id.id_seen).text =
            screen.getString(R.string.first_last, times.exact(identifier.first), times.exact(identifier.last))
        val apps = identifier.apps.joinToString(", ", transform = screen.faces::label)
        view.find<TextView>(R.id.id_apps).text = screen.getString(R.string.known_to_apps, apps)
        view.find<TextView>(R.id.id_hosts).text = screen.getString(R.string.known_to_hosts, identifier.hosts.joinToString(", "))
    }
}
