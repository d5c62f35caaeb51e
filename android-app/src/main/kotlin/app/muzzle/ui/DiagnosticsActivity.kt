package app.muzzle.ui

import android.content.ClipData
import android.content.ClipboardManager
import android.os.Build
import android.os.Bundle
import android.os.UserManager
import android.text.format.Formatter
import app.muzzle.R
import app.muzzle.core.Core
import app.muzzle.core.Reach
import app.muzzle.graph
import app.muzzle.service.KeepAlive
import app.muzzle.service.KeepState
import app.muzzle.service.KeepStep
import app.muzzle.service.privateDnsName
import java.text.NumberFormat

/** How things are, for whoever reports a fault. Says nothing of what apps sent, nor to whom. */
class DiagnosticsActivity : ScreenActivity() {
    private class Part(
        val title: Int,
        val lines: List<Pair<String, String>>,
    )

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.diagnostics)
        showUp()
        showLoading()
    }

    override fun onResume() {
        super.onResume()
        val state = stateWords(this, graph.protection.state).title
        load({ read(state) }, failed = { showError(it) { recreate() } }, then = ::showParts)
    }

    private fun read(state: String) =
        listOf(
            Part(R.string.app, aboutApp()),
            Part(R.string.diag_protection, aboutProtection(state)),
            Part(R.string.diag_log, whatTheCoreSays { aboutLog(it) }),
            Part(R.string.lists_title, whatTheCoreSays { core -> core.lists().lists.map { it.name to aboutList(it) } }),
            Part(R.string.diag_phone, aboutPhone()),
        )

    private fun showParts(parts: List<Part>) {
        val details = Details(this)
        for (part in parts) details.section(part.title) { part.lines.forEach { (name, value) -> fact(name, value) } }
        details.section(R.string.diag_report) {
            text(getString(R.string.diag_report_text)).setTextAppearance(R.style.Text_Small)
            button(R.string.copy) { copy(parts) }
        }
        show(details.root)
    }

    private fun copy(parts: List<Part>) {
        val words =
            parts.joinToString("\n\n") { part ->
                (listOf(getString(part.title)) + part.lines.map { "${it.first}: ${it.second}" }).joinToString("\n")
            }
        checkNotNull(
            getSystemService(ClipboardManager::class.java),
        ).setPrimaryClip(ClipData.newPlainText(getString(R.string.diagnostics), words))
    }

    private fun aboutApp(): List<Pair<String, String>> {
        val app = packageManager.getPackageInfo(packageName, 0).versionName
        val core = Core.version()
        return listOf(getString(R.string.app_name) to getString(R.string.about_version, app, core))
    }

    private fun aboutProtection(state: String): List<Pair<String, String>> {
        val reach = if (graph.settings.now.reach == Reach.DEEP) R.string.reach_deep else R.string.reach_light
        return listOf(getString(R.string.state) to state, getString(R.string.reach) to getString(reach)) +
            whatTheCoreSays { core ->
                val plane = core.dataPlane()
                val counters = (plane.counters + plane.drops.mapKeys { "drops " + it.key }).map { it.key to number(it.value) }
                listOf(getString(R.string.diag_plane) to listOfNotNull(plane.state, plane.error).joinToString(", ")) + counters
            }
    }

    private fun aboutLog(core: Core): List<Pair<String, String>> {
        val store = core.store()
        return listOf(
            getString(R.string.state) to core.storeState(),
            getString(R.string.events) to number(store.events),
            getString(R.string.diag_size) to Formatter.formatShortFileSize(this, store.bytes),
            getString(R.string.diag_lost) to number(store.dropped),
        )
    }

    private fun aboutPhone(): List<Pair<String, String>> {
        val keep = KeepAlive(this)
        val users = getSystemService(UserManager::class.java)?.userProfiles?.size ?: 1
        return listOf(
            getString(R.string.diag_model) to "${Build.MANUFACTURER} ${Build.MODEL}, ${Build.SUPPORTED_ABIS.firstOrNull()}",
            getString(R.string.diag_android) to "${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
            getString(R.string.diag_private_dns) to (privateDnsName(this) ?: getString(R.string.diag_no)),
            getString(R.string.step_battery) to getString(done(keep.state(KeepStep.BATTERY))),
            getString(R.string.step_always_on) to getString(done(keep.state(KeepStep.ALWAYS_ON))),
            getString(R.string.diag_users) to number(users.toLong()),
        )
    }

    private fun done(state: KeepState) =
        when (state) {
            KeepState.DONE -> R.string.step_done
            KeepState.OPEN -> R.string.step_open_yet
            KeepState.UNKNOWN -> R.string.step_unknown
        }

    /** A core that cannot be opened is a finding, too. */
    private fun whatTheCoreSays(ask: (Core) -> List<Pair<String, String>>): List<Pair<String, String>> =
        runCatching { ask(graph.core) }.getOrElse { listOf(getString(R.string.state) to errorWords(this, it).advice) }

    private fun number(count: Long) = NumberFormat.getIntegerInstance().format(count)
}
