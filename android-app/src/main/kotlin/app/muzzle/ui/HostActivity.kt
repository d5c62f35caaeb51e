package app.muzzle.ui

import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.view.ViewGroup
import android.widget.LinearLayout
import app.muzzle.R
import app.muzzle.core.HostAnswer
import app.muzzle.core.Rule
import app.muzzle.graph

/** One host: what is known about it, what happens to it, and why. */
class HostActivity : ScreenActivity() {
    /** As it was typed or listed; with a leading dot for everything under it, too. */
    private val host get() = checkNotNull(intent.getStringExtra(HOST))

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.host)
        showUp()
        showLoading()
        reload()
    }

    private fun reload() {
        load(::read, failed = { showError(it) { reload() } }) { showHost(it) }
    }

    private fun read(): HostAnswer {
        val answer = graph.core.host(host.removePrefix("."))
        faces.learn(answer.decisions.mapNotNull { it.packageName })
        return answer
    }

    private fun showHost(answer: HostAnswer) {
        val details = Details(this)
        val name = if (host.startsWith(".")) host else answer.host
        details.section(R.string.host) {
            text(answer.host)
            if (host.startsWith(".")) text(getString(R.string.and_under)).setTextAppearance(R.style.Text_Small)
        }
        details.section(R.string.what_happens) {
            answer.decision?.let { text(getString(it.verdict.sentence) + ". " + REASONS.word(this@HostActivity, it.reason)) }
            val bar = ChoiceBar(this@HostActivity)
            card.addView(bar, LinearLayout.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT))
            bar.showVerdict(this@HostActivity, name, null) { reload() }
            sideEffect(this@HostActivity, answer.rule)?.let { text(it).setTextAppearance(R.style.Text_Small) }
            for (other in answer.decisions) {
                val app = other.packageName ?: continue
                fact(faces.label(app), getString(other.verdict.sentence) + ". " + REASONS.word(this@HostActivity, other.reason))
            }
        }
        details.section(R.string.what_we_know) { showRule(answer.rule) }
        show(details.root)
    }

    private fun Details.Section.showRule(rule: Rule?) {
        if (rule == null) {
            text(getString(R.string.no_rule))
            return
        }
        fact(R.string.rule, rule.rule)
        fact(R.string.owner, rule.owner)
        fact(R.string.category, rule.category?.let { CATEGORIES.word(this@HostActivity, it) })
        fact(R.string.usual, rule.default?.let { LISTINGS.word(this@HostActivity, it) })
        fact(R.string.list, rule.list)
        fact(R.string.source, rule.source)
    }

    companion object {
        private const val HOST = "host"

        fun of(
            context: Context,
            host: String,
        ): Intent = Intent(context, HostActivity::class.java).putExtra(HOST, host)
    }
}
