package app.muzzle.ui

import android.app.AlertDialog
import android.content.Intent
import android.os.Bundle
import android.text.InputType
import android.text.format.Formatter
import android.widget.EditText
import android.widget.Toast
import app.muzzle.R
import app.muzzle.core.Core
import app.muzzle.core.HostList
import app.muzzle.core.Reach
import app.muzzle.core.StoreFacts
import app.muzzle.export.LeftBehind
import app.muzzle.graph
import app.muzzle.settings.AppSetting
import app.muzzle.settings.Appearance
import app.muzzle.settings.Bypass
import app.muzzle.settings.OwnerSettings
import app.muzzle.settings.badAddress
import app.muzzle.settings.readBackup
import app.muzzle.settings.restored
import app.muzzle.settings.saveBackup
import org.json.JSONException
import java.io.FileNotFoundException
import java.text.NumberFormat

/** Everything that holds for the whole phone. */
class SettingsActivity : ScreenActivity() {
    private class Facts(
        val store: StoreFacts?,
        val lists: List<HostList>,
        val core: String,
        val licences: String?,
    )

    private val now get() = graph.settings.now

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.menu_settings)
        showUp()
        showLoading()
        reload()
    }

    private fun reload() {
        load(::read, then = ::showAll)
    }

    /** A log that cannot be opened must not keep the owner from the settings: Wipe is here. */
    private fun read(): Facts {
        val core = runCatching { graph.core }.getOrNull()
        return Facts(
            core?.runCatching { store() }?.getOrNull(),
            core?.runCatching { lists().lists }?.getOrNull().orEmpty(),
            Core.version(),
            licences(),
        )
    }

    private fun licences(): String? =
        try {
            assets.open("licences.txt").use { it.readBytes().decodeToString() }
        } catch (_: FileNotFoundException) {
            null
        }

    private fun showAll(facts: Facts) {
        val column = Column(this)
        column.showWhatHappens()
        column.showLog(facts.store)
        column.showNetwork(facts.lists)
        column.showLooks()
        column.showBackup()
        column.showAbout(facts)
        show(column.root)
    }

    private fun Column.showWhatHappens() {
        heading(R.string.reach)
        card {
            choices(
                listOf(
                    Option(Reach.LIGHT, getString(R.string.reach_light), getString(R.string.reach_light_text)),
                    Option(Reach.DEEP, getString(R.string.reach_deep), getString(R.string.reach_deep_text)),
                ),
                now.reach,
            ) { chosen -> keep { it.copy(reach = chosen) } }
        }
        heading(R.string.new_apps)
        card {
            choices(
                listOf(
                    Option(AppSetting.BLOCK, getString(R.string.new_block), getString(R.string.new_block_text)),
                    Option(AppSetting.RECORD, getString(R.string.new_record), getString(R.string.new_record_text)),
                    Option(AppSetting.OFF, getString(R.string.new_off), getString(R.string.new_off_text)),
                ),
                now.default,
            ) { chosen -> keep { it.copy(default = chosen) } }
            switch(R.string.answer_here, R.string.answer_here_text, now.capture) { on -> keep { it.copy(capture = on) } }
        }
        heading(R.string.bypass)
        card {
            small(getString(R.string.bypass_text))
            choices(
                listOf(
                    Option(Bypass.OFF, getString(R.string.bypass_off)),
                    Option(Bypass.LISTED_APPS, getString(R.string.bypass_listed), getString(R.string.bypass_listed_text)),
                    Option(Bypass.ALL, getString(R.string.bypass_all), getString(R.string.bypass_all_text)),
                ),
                now.bypass,
            ) { chosen -> keep { it.copy(bypass = chosen) } }
        }
    }

    private fun Column.showLog(store: StoreFacts?) {
        heading(R.string.keep_log)
        card {
            store?.let { small(getString(R.string.log_now, number(it.events), size(it.bytes))) }
            choices(
                DAYS.map {
                    Option(
                        it,
                        if (it ==
                            0
                        ) {
                            getString(R.string.keep_ever)
                        } else {
                            resources.getQuantityString(R.plurals.keep_days, it, it)
                        },
                    )
                },
                now.retentionDays,
            ) { days -> keepLog { it.copy(retentionDays = days) } }
        }
        card {
            choices(SIZES.map { Option(it, getString(R.string.keep_size, size(it))) }, now.maxBytes) { bytes ->
                keepLog { it.copy(maxBytes = bytes) }
            }
        }
        card {
            small(getString(R.string.wipe_text))
            button(R.string.wipe) { confirmWipe() }
        }
    }

    private fun Column.showNetwork(lists: List<HostList>) {
        heading(R.string.resolver)
        card {
            val own = now.resolvers
            text(if (own.isEmpty()) getString(R.string.resolver_network) else getString(R.string.resolver_own, own.joinToString(" ")))
            button(R.string.resolver_change) { askResolvers() }
        }
        if (lists.isEmpty()) return
        heading(R.string.lists_title)
        card {
            lists.forEach { text(getString(R.string.list_line, it.name, it.version, number(it.rules.toLong()))) }
            button(R.string.lists_manage) { open(ListsActivity::class.java) }
        }
    }

    private fun Column.showLooks() {
        heading(R.string.appearance)
        card {
            choices(
                listOf(
                    Option(Appearance.SYSTEM, getString(R.string.appearance_system)),
                    Option(Appearance.LIGHT, getString(R.string.appearance_light)),
                    Option(Appearance.DARK, getString(R.string.appearance_dark)),
                ),
                now.appearance,
            ) { chosen -> keep(::recreate) { it.copy(appearance = chosen) } }
            switch(R.string.hide_values, R.string.hide_values_text, now.hideValues) { on -> keep { it.copy(hideValues = on) } }
        }
    }

    private fun Column.showBackup() {
        heading(R.string.backup)
        card {
            small(getString(R.string.backup_text))
            button(R.string.backup_save) { askForDocument(document(Intent.ACTION_CREATE_DOCUMENT), SAVE) }
            button(R.string.backup_restore) { askForDocument(document(Intent.ACTION_OPEN_DOCUMENT), RESTORE) }
        }
    }

    private fun Column.showAbout(facts: Facts) {
        heading(R.string.about)
        card {
            val app = packageManager.getPackageInfo(packageName, 0).versionName
            text(getString(R.string.about_version, app, facts.core))
            text(getString(R.string.about_boundaries))
            small(getString(R.string.boundaries))
            button(R.string.diagnostics) { open(DiagnosticsActivity::class.java) }
            facts.licences?.let { words -> button(R.string.licences) { tell(words) } }
        }
    }

    private fun open(screen: Class<out ScreenActivity>) = startActivity(Intent(this, screen))

    private fun keep(
        then: () -> Unit = {},
        change: (OwnerSettings) -> OwnerSettings,
    ) {
        load({ graph.settings.update(change) }) { then() }
    }

    /** Asks first where something goes by it. */
    private fun keepLog(change: (OwnerSettings) -> OwnerSettings) {
        if (!now.keepsMoreThan(change(now))) return keepLogNow(change)
        AlertDialog
            .Builder(this)
            .setTitle(R.string.keep_log)
            .setMessage(R.string.keep_less)
            .setNegativeButton(R.string.cancel) { _, _ -> reload() }
            .setOnCancelListener { reload() }
            .setPositiveButton(R.string.ok) { _, _ -> keepLogNow(change) }
            .show()
    }

    private fun OwnerSettings.keepsMoreThan(other: OwnerSettings): Boolean {
        fun days(of: OwnerSettings) = if (of.retentionDays == 0) Int.MAX_VALUE else of.retentionDays
        return days(this) > days(other) || maxBytes > other.maxBytes
    }

    private fun keepLogNow(change: (OwnerSettings) -> OwnerSettings) {
        load({
            val changed = graph.settings.update(change)
            graph.core.keep(changed.retentionDays, changed.maxBytes)
        }) { reload() }
    }

    private fun askResolvers() {
        val field = EditText(this)
        field.setText(now.resolvers.joinToString(" "))
        field.setHint(R.string.resolver_hint)
        field.inputType = InputType.TYPE_CLASS_TEXT or InputType.TYPE_TEXT_FLAG_NO_SUGGESTIONS
        AlertDialog
            .Builder(this)
            .setTitle(R.string.resolver)
            .setMessage(R.string.resolver_hint)
            .setView(field)
            .setNegativeButton(R.string.cancel, null)
            .setPositiveButton(R.string.ok) { _, _ -> keepResolvers(field.text.toString()) }
            .show()
    }

    private fun keepResolvers(text: String) {
        val words = text.split(' ', ',', '\n').filter { it.isNotEmpty() }
        val bad = badAddress(words)
        if (bad == null) keep(::reload) { it.copy(resolvers = words) } else say(getString(R.string.resolver_bad, bad))
    }

    private fun confirmWipe() {
        AlertDialog
            .Builder(this)
            .setTitle(R.string.wipe)
            .setMessage(R.string.wipe_text)
            .setNegativeButton(R.string.cancel, null)
            .setPositiveButton(R.string.wipe) { _, _ -> wipe() }
            .show()
    }

    private fun wipe() {
        load({ graph.wipe() }, failed = { fault ->
            val words = errorWords(this, fault)
            tell("${words.title}\n\n${words.advice}")
        }) {
            say(getString(R.string.wiped))
            reload()
        }
    }

    private fun document(action: String): Intent {
        val asked = Intent(action).addCategory(Intent.CATEGORY_OPENABLE)
        // Some file managers do not know JSON, and would hide a backup that is to be opened.
        return if (action == Intent.ACTION_OPEN_DOCUMENT) {
            asked.setType("*/*")
        } else {
            asked.setType("application/json").putExtra(Intent.EXTRA_TITLE, "muzzle-settings.json")
        }
    }

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        val document = data?.data
        if (resultCode != RESULT_OK || document == null) return
        if (requestCode == SAVE) {
            load({ contentResolver.saveBackup(document, now) }, failed = ::sayUnsaved, on = graph.apart) {
                say(getString(R.string.backup_saved))
            }
        } else {
            load(
                {
                    val backup = contentResolver.readBackup(document)
                    val restored = graph.settings.update { it.restored(backup) }
                    graph.core.keep(restored.retentionDays, restored.maxBytes)
                },
                failed = { if (it is JSONException) say(getString(R.string.backup_bad)) else showError(it) { reload() } },
                on = graph.apart,
            ) {
                say(getString(R.string.backup_restored))
                recreate()
            }
        }
    }

    private fun sayUnsaved(fault: Throwable) = say(getString(if (fault is LeftBehind) R.string.backup_left else R.string.backup_failed))

    private fun tell(words: String) {
        AlertDialog
            .Builder(this)
            .setMessage(words)
            .setPositiveButton(R.string.ok, null)
            .show()
    }

    private fun say(words: String) = Toast.makeText(this, words, Toast.LENGTH_LONG).show()

    private fun size(bytes: Long) = Formatter.formatShortFileSize(this, bytes)

    private fun number(count: Long) = NumberFormat.getIntegerInstance().format(count)

    private companion object {
        const val SAVE = 1
        const val RESTORE = 2
        val DAYS = listOf(1, 7, 30, 0)
        val SIZES = listOf(64L shl 20, 256L shl 20, 1L shl 30)
    }
}
